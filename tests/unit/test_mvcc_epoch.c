/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file test_mvcc_epoch.c
 * Who fences: sections, or where the system can have all threads do it, who takes a ticket; and what stays where it
 * can't any more.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>

#include "index/pool.h"
#include "mvcc/epoch.h"
#include "os/os.h"
#include "store/store_internal.h"
#include "support/store_helper.h"

static struct os_calls real_calls;
static bool system_can; /* as the system itself says */
static bool refuses;    /* as one does that has no such call, or comes to forbid it */
static uint32_t prepared;
static uint32_t fenced;
static uint32_t refused;

static int counted_membarrier(int command)
{
    if (refuses) {
        refused++;
        errno = EPERM;
        return -1;
    }
    if (command == MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) {
        prepared++;
    } else {
        fenced++;
    }
    return real_calls.membarrier(command);
}

/** Whether a ticket is there, and the sections that it is for are over. */
static bool nobody_reads(void)
{
    uint64_t ticket = epoch_ticket();
    return ticket != 0 && epoch_over(ticket);
}

static int use_where_refused(void *context)
{
    struct fixture *fixture = context;
    refuses = true;
    fixture_store_open(fixture, NULL);
    helper_put(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 1, "one");
    CHILD_REQUIRE(!epoch_light);
    CHILD_REQUIRE(nobody_reads());
    refuses = false;
    fixture_store_close(fixture);
    fixture_store_open(fixture, NULL);
    CHILD_REQUIRE(!epoch_light && nobody_reads());
    CHILD_REQUIRE(refused == 1 && prepared == 0 && fenced == 0); /* it is decided for good */
    return 0;
}

/* Where the system can't, sections fence. In a child, as a process decides once, and before any store is open. */
static void test_system_cannot(void **state)
{
    assert_int_equal(helper_in_child(use_where_refused, *state), 0);
}

static int read_without_keys(void *context)
{
    (void)context;
    pthread_key_t key;
    while (pthread_key_create(&key, NULL) == 0) {
    }
    epoch_enter();
    CHILD_REQUIRE(epoch_mine == &epoch_shared);
    CHILD_REQUIRE(!epoch_alone());
    uint64_t ticket = epoch_ticket();
    CHILD_REQUIRE(!epoch_over(ticket));
    epoch_leave();
    CHILD_REQUIRE(epoch_over(ticket));
    return 0;
}

/* A thread that can't say when it ends shares a place, and holds up what is to be freed by that. Before any other
 * section in this process, as keys are taken once. */
static void test_thread_without_place(void **state)
{
    (void)state;
    assert_int_equal(helper_in_child(read_without_keys, NULL), 0);
}

static int64_t next_key;

/** Puts one of many keys that are spread. */
static void put_next(const struct fixture *fixture)
{
    helper_put(fixture->main, next_key++ * 7 % 1000003, "value");
}

static void *read_once(void *context)
{
    (void)context;
    epoch_enter();
    epoch_leave();
    return NULL;
}

/* A thread beside which no other has ever read fences for itself, and frees each node at once. */
static void test_alone(void **state)
{
    struct fixture *fixture = *state;
    fenced = 0;
    ASSERT_VALUE(fixture->main, 1, NULL);
    for (int i = 0; i < 20000; i++) {
        put_next(fixture);
        assert_true(fixture->store->pool->retired_count == 0 && fixture->store->pool->waiting == NULL);
    }
    assert_true(epoch_alone() && nobody_reads());
    assert_int_equal(fenced, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_once, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(epoch_alone()); /* from now on, in all tests */
}

/* Where the system can, sections don't fence, and a ticket has all threads do so, once. */
static void test_ticket_fences(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(epoch_light, system_can);
    assert_int_equal(prepared, 1);
    fixture_store_close(fixture);
    fixture_store_open(fixture, NULL);
    assert_int_equal(prepared, 1);
    fenced = 0;
    epoch_enter();
    uint64_t ticket = epoch_ticket();
    assert_int_equal(fenced, system_can);
    assert_false(epoch_over(ticket));
    epoch_leave();
    assert_true(epoch_over(ticket));
}

/* Where the threads can't be made to fence there is no ticket. The system is prepared anew, and asked once more. */
static void test_no_ticket(void **state)
{
    (void)state;
    if (!system_can) {
        skip();
    }
    refuses = true;
    refused = 0;
    assert_int_equal(epoch_ticket(), 0);
    assert_int_equal(refused, 2);
    refuses = false;
    assert_true(nobody_reads());
}

/** Puts until so many nodes were retired since the last ticket. */
static void retire(const struct fixture *fixture, uint32_t nodes)
{
    for (int puts = 0; fixture->store->pool->retired_count < nodes; puts++) {
        assert_true(puts < 1000000);
        put_next(fixture);
    }
}

/* What was taken out stays for as long as there is no ticket, and goes with later writes. */
static void test_no_ticket_for_a_while(void **state)
{
    struct fixture *fixture = *state;
    const struct index_pool *pool = fixture->store->pool;
    alex_table *other;
    if (!system_can) {
        skip();
    }
    refuses = true;
    for (int i = 0; i < 3; i++) {
        ASSERT_OK(alex_table_open(fixture->store, "other", NULL, &other));
        ASSERT_OK(alex_table_drop(fixture->store, "other"));
    }
    refused = 0;
    helper_put(fixture->main, -1, "value");
    assert_int_equal(refused, 2); /* it has asked for one ticket for the three */
    assert_non_null(fixture->store->dropped);
    retire(fixture, 100);
    assert_null(pool->waiting);
    refuses = false;
    helper_put(fixture->main, -1, "value");
    assert_null(fixture->store->dropped);
    for (int puts = 0; pool->retired_count >= 16; puts++) { /* the next node that is replaced takes a ticket */
        assert_true(puts < 100000);
        put_next(fixture);
    }
    assert_null(pool->waiting);
    helper_check(fixture->store);
}

static uint32_t tickets;

static uint64_t counted_ticket(void)
{
    tickets++;
    return epoch_ticket();
}

/* Beside threads that read, sixteen nodes that are replaced share a ticket. */
static void test_nodes_share_tickets(void **state)
{
    struct fixture *fixture = *state;
    struct index_pool *pool = fixture->store->pool;
    const struct index_grace *before = pool->grace;
    const struct index_grace counted = {counted_ticket, epoch_over, epoch_alone};
    tickets = 0;
    retire(fixture, 15);
    pool->grace = &counted;
    for (int i = 0; i < 10; i++) {
        retire(fixture, 15);
        assert_int_equal(tickets, i);
        for (int puts = 0; tickets == (uint32_t)i; puts++) {
            assert_true(puts < 100000);
            put_next(fixture);
        }
        assert_null(pool->waiting);
    }
    pool->grace = before;
}

static int read_in_child(void *context)
{
    const struct fixture *fixture = context;
    bool can = system_can && !refuses;
    CHILD_REQUIRE(epoch_light == can);
    refuses = false;
    fenced = 0;
    CHILD_REQUIRE(nobody_reads());
    CHILD_REQUIRE(fenced == can);
    ASSERT_VALUE(fixture->main, 1, "one");
    return 0;
}

/* A forked child prepares the system anew; where that fails it goes back to sections that fence. */
static void test_forked_child(void **state)
{
    struct fixture *fixture = *state;
    helper_put(fixture->main, 1, "one");
    ASSERT_VALUE(fixture->main, 1, "one");
    assert_int_equal(helper_in_child(read_in_child, fixture), 0);
    refuses = true;
    assert_int_equal(helper_in_child(read_in_child, fixture), 0);
    refuses = false;
    assert_int_equal(epoch_light, system_can); /* the parent's stays as it was */
}

static int count_calls(void **state)
{
    (void)state;
    real_calls = os_calls;
    int commands = real_calls.membarrier(MEMBARRIER_CMD_QUERY);
    system_can = commands > 0 && (commands & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0;
    os_calls.membarrier = counted_membarrier;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thread_without_place),
        TEST_WITH_DIRECTORY(test_system_cannot),
        TEST_WITH_STORE(test_alone),
        TEST_WITH_STORE(test_ticket_fences),
        TEST_WITH_STORE(test_no_ticket),
        TEST_WITH_STORE(test_no_ticket_for_a_while),
        TEST_WITH_STORE(test_nodes_share_tickets),
        TEST_WITH_STORE(test_forked_child),
    };
    return cmocka_run_group_tests_name("epochs", tests, count_calls, NULL);
}
