/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file transfers.c
 * Write transactions: several threads move money between accounts, each move in a transaction that reads both accounts,
 * changes them, and notes the move in another table. No money is made or lost, also when the program is killed: at its
 * next start it adds everything up.
 *
 * Usage: transfers [DIRECTORY [TRANSFERS]]
 */
#include <pthread.h>

#include "example.h"

#define ACCOUNTS 100
#define THREADS 4
#define OPENING_BALANCE 1000

/** What the threads share. */
struct bank {
    alex_store *store;
    alex_table *accounts;  /* account to balance */
    alex_table *transfers; /* number to struct transfer */
};

struct transfer {
    int64_t from;
    int64_t to;
    int64_t amount;
};

/** A thread that makes transfers. */
struct clerk {
    struct bank *bank;
    unsigned seed;
    int transfers;
    int refused; /* for want of money */
};

static int64_t balance(struct bank *bank, alex_txn *txn, int64_t account)
{
    struct alex_slice value;
    int64_t amount;
    MUST(alex_txn_get(txn, bank->accounts, account, &value));
    EXPECT(value.size == sizeof amount);
    memcpy(&amount, value.data, sizeof amount);
    return amount;
}

static void change(struct bank *bank, alex_txn *txn, int64_t account, int64_t by)
{
    int64_t amount = balance(bank, txn, account) + by;
    MUST(alex_txn_put(txn, bank->accounts, account, &amount, sizeof amount, NULL));
}

/** The number behind that of the last transfer. */
static int64_t next_number(struct bank *bank, alex_txn *txn)
{
    alex_cursor *cursor;
    struct alex_entry entry;
    MUST(alex_cursor_open(txn, bank->transfers, NULL, &cursor));
    int code = alex_cursor_last(cursor, &entry);
    alex_cursor_close(cursor);
    EXPECT(code == ALEX_OK || code == ALEX_NOT_FOUND);
    return code == ALEX_OK ? entry.key + 1 : 1;
}

/** Moves money, or leaves everything as it is. Returns whether it did. */
static int make_transfer(struct bank *bank, const struct transfer *transfer)
{
    alex_txn *txn;
    uint64_t before;
    MUST(alex_begin(bank->store, ALEX_WRITE, &txn)); /* waits for the other threads' */
    MUST(alex_savepoint(txn, &before));
    change(bank, txn, transfer->from, -transfer->amount);
    change(bank, txn, transfer->to, transfer->amount);
    if (balance(bank, txn, transfer->from) < 0) {
        MUST(alex_rollback_to(txn, before)); /* as far as the savepoint; something else could be written instead */
        EXPECT(balance(bank, txn, transfer->from) >= 0);
        MUST(alex_end(txn));
        return 0;
    }
    MUST(alex_txn_put(txn, bank->transfers, next_number(bank, txn), transfer, sizeof *transfer, NULL));
    MUST(alex_commit(txn));
    return 1;
}

static void *work(void *context)
{
    struct clerk *clerk = context;
    for (int i = 0; i < clerk->transfers; i++) {
        struct transfer transfer;
        transfer.from = rand_r(&clerk->seed) % ACCOUNTS;
        transfer.to = (transfer.from + 1 + rand_r(&clerk->seed) % (ACCOUNTS - 1)) % ACCOUNTS;
        transfer.amount = 1 + rand_r(&clerk->seed) % 500;
        clerk->refused += !make_transfer(clerk->bank, &transfer);
    }
    return NULL;
}

/** Opens an account for everyone, all in one transaction, unless that was done before. */
static void open_accounts(struct bank *bank)
{
    alex_txn *txn;
    const int64_t amount = OPENING_BALANCE;
    MUST(alex_begin(bank->store, ALEX_WRITE, &txn));
    for (int64_t account = 0; account < ACCOUNTS; account++) {
        int code = alex_txn_put_if_absent(txn, bank->accounts, account, &amount, sizeof amount);
        EXPECT(code == ALEX_OK || code == ALEX_EXISTS);
    }
    MUST(alex_commit(txn));
}

/** Adds up all accounts and all transfers, in one view of both. */
static uint64_t check(struct bank *bank)
{
    int64_t expected[ACCOUNTS];
    int64_t sum = 0;
    uint64_t count = 0;
    alex_txn *txn;
    alex_cursor *cursor;
    struct alex_entry entry;
    int code;
    for (int account = 0; account < ACCOUNTS; account++) {
        expected[account] = OPENING_BALANCE;
    }
    MUST(alex_begin(bank->store, ALEX_READ, &txn));
    MUST(alex_cursor_open(txn, bank->transfers, NULL, &cursor));
    while ((code = alex_cursor_next(cursor, &entry)) == ALEX_OK) {
        struct transfer transfer;
        EXPECT(entry.key == (int64_t)++count && entry.value.size == sizeof transfer);
        memcpy(&transfer, entry.value.data, sizeof transfer);
        expected[transfer.from] -= transfer.amount;
        expected[transfer.to] += transfer.amount;
    }
    EXPECT(code == ALEX_NOT_FOUND);
    alex_cursor_close(cursor);
    for (int account = 0; account < ACCOUNTS; account++) {
        EXPECT(balance(bank, txn, account) == expected[account] && expected[account] >= 0);
        sum += expected[account];
    }
    EXPECT(sum == (int64_t)ACCOUNTS * OPENING_BALANCE);
    MUST(alex_end(txn));
    return count;
}

int main(int argc, char **argv)
{
    struct example_place place = example_begin(argc, argv);
    int transfers = argc > 2 ? atoi(argv[2]) : 20000;
    struct bank bank;
    pthread_t threads[THREADS];
    struct clerk clerks[THREADS];
    int refused = 0;

    MUST(alex_open(place.store, NULL, &bank.store));
    MUST(alex_table_open(bank.store, "accounts", NULL, &bank.accounts));
    MUST(alex_table_open(bank.store, "transfers", NULL, &bank.transfers));
    open_accounts(&bank);
    uint64_t before = check(&bank); /* what a run of before has left, however it ended */
    for (int i = 0; i < THREADS; i++) {
        clerks[i] = (struct clerk){.bank = &bank, .seed = (unsigned)(before + (uint64_t)i), transfers / THREADS, 0};
        EXPECT(pthread_create(&threads[i], NULL, work, &clerks[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        EXPECT(pthread_join(threads[i], NULL) == 0);
        refused += clerks[i].refused;
    }
    uint64_t count = check(&bank);
    EXPECT(count == before + (uint64_t)(transfers / THREADS * THREADS - refused));
    printf("%llu transfers were there, %llu were made, %d refused; the accounts add up\n", (unsigned long long)before,
           (unsigned long long)(count - before), refused);
    MUST(alex_close(bank.store));
    example_end(&place);
    return 0;
}
