/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file batch.c
 * Atomic batches across tables: money goes from one account to another and the transfer is noted, all of it or nothing.
 *
 * Usage: batch [DIRECTORY]
 */
#include "example.h"

static int64_t balance(alex_table *accounts, int64_t account)
{
    int64_t amount;
    size_t size;
    MUST(alex_get(accounts, account, &amount, sizeof amount, &size));
    EXPECT(size == sizeof amount);
    return amount;
}

static void transfer(alex_store *store, alex_table *accounts, alex_table *transfers, int64_t number, int64_t from,
                     int64_t to, int64_t amount)
{
    int64_t from_balance = balance(accounts, from) - amount;
    int64_t to_balance = balance(accounts, to) + amount;
    char note[100];
    int length =
        snprintf(note, sizeof note, "%lld from %lld to %lld", (long long)amount, (long long)from, (long long)to);
    const struct alex_op ops[] = {
        {ALEX_OP_PUT, accounts, from, {&from_balance, sizeof from_balance}},
        {ALEX_OP_PUT, accounts, to, {&to_balance, sizeof to_balance}},
        {ALEX_OP_PUT, transfers, number, {note, (size_t)length}},
    };
    MUST(alex_write(store, ops, sizeof ops / sizeof *ops));
}

int main(int argc, char **argv)
{
    struct example_place place = example_begin(argc, argv);
    alex_store *store;
    alex_table *accounts, *transfers;
    const int64_t begin = 100;
    char note[100];
    size_t size;

    MUST(alex_open(place.store, NULL, &store));
    MUST(alex_table_open(store, "accounts", NULL, &accounts));
    MUST(alex_table_open(store, "transfers", NULL, &transfers));

    const struct alex_op opening[] = {
        {ALEX_OP_PUT, accounts, 1, {&begin, sizeof begin}},
        {ALEX_OP_PUT, accounts, 2, {&begin, sizeof begin}},
    };
    MUST(alex_write(store, opening, 2));
    for (int64_t number = 1; number <= 5; number++) {
        transfer(store, accounts, transfers, number, 1, 2, 10);
    }

    /* A batch that can't be carried out changes nothing: its second operation is above the limit of a value. */
    const int64_t nothing = 0;
    const struct alex_op refused[] = {
        {ALEX_OP_PUT, accounts, 1, {&nothing, sizeof nothing}},
        {ALEX_OP_PUT, accounts, 2, {&nothing, ALEX_VALUE_MAX + 1}},
    };
    EXPECT(alex_write(store, refused, 2) == ALEX_TOO_LARGE);

    EXPECT(balance(accounts, 1) == 50 && balance(accounts, 2) == 150);
    MUST(alex_get(transfers, 5, note, sizeof note, &size));
    printf("Account 1 has %lld, account 2 has %lld; the last transfer was %.*s\n", (long long)balance(accounts, 1),
           (long long)balance(accounts, 2), (int)size, note);

    MUST(alex_close(store));
    example_end(&place);
    return 0;
}
