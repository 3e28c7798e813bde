/* SPDX-License-Identifier: Apache-2.0 */
/** @file world.c A store whose contents are known; see world.h. */
#include "support/world.h"

#include "log/log.h"
#include "store/store.h"

const char *const world_names[WORLD_TABLES] = {"main", "second", "third"};

static unsigned char value_memory[WORLD_VALUE_MAX];

size_t world_value_size(int64_t key, unsigned version)
{
    return version == 9 ? WORLD_VALUE_MAX : ((size_t)key * 379 + version * 1117) % 5000;
}

const void *world_value(int table, int64_t key, unsigned version)
{
    helper_fill(value_memory, world_value_size(key, version), (uint64_t)key * 64 + version * 4 + (uint64_t)table);
    return value_memory;
}

const struct world_contents world_at_first = {.exists = {true, false, false}};

bool world_is_latched(const struct world *world)
{
    return log_writable(store_log(world->store), NULL) != ALEX_OK;
}

int world_wrote(struct world *world, int code, const struct world_contents *then)
{
    if (code == ALEX_OK) {
        world->now = *then;
    } else if (code != ALEX_READ_ONLY && world_is_latched(world)) {
        world->in_doubt = true;
        world->doubtful = *then;
    }
    return code;
}

int world_open(struct world *world)
{
    struct alex_options options = {.no_background = true,
                                   .error = &world->open_error,
                                   .durability = world->durability,
                                   .read_only = world->read_only};
    struct store_tuning tuning = {.segment_shift = 16};
    int code = store_open_tuned(world->path, &options, &tuning, &world->store);
    world->unclean |= code != ALEX_OK;
    return code;
}

int world_close(struct world *world)
{
    int code = alex_close(world->store);
    world->store = NULL;
    world->unclean |= code != ALEX_OK;
    return code;
}

alex_table *world_table(struct world *world, int table)
{
    struct alex_table_options options = {.mode = ALEX_MUST_EXIST};
    alex_table *handle = NULL;
    ASSERT_OK(alex_table_open(world->store, world_names[table], &options, &handle));
    return handle;
}

int world_put(struct world *world, int table, int64_t key, unsigned version)
{
    struct world_contents then = world->now;
    then.versions[table][key] = version;
    return world_wrote(world,
                       alex_put(world_table(world, table), key, world_value(table, key, version),
                                world_value_size(key, version), NULL),
                       &then);
}

int world_delete(struct world *world, int table, int64_t key)
{
    struct world_contents then = world->now;
    then.versions[table][key] = 0;
    int code = alex_delete(world_table(world, table), key);
    return code == ALEX_NOT_FOUND ? ALEX_OK : world_wrote(world, code, &then);
}

int world_make_table(struct world *world, int table)
{
    struct world_contents then = world->now;
    alex_table *handle;
    then.exists[table] = true;
    return world_wrote(world, alex_table_open(world->store, world_names[table], NULL, &handle), &then);
}

int world_drop_table(struct world *world, int table)
{
    struct world_contents then = world->now;
    then.exists[table] = false;
    memset(then.versions[table], 0, sizeof then.versions[table]);
    int code = alex_table_drop(world->store, world_names[table]);
    return code == ALEX_NOT_FOUND ? ALEX_OK : world_wrote(world, code, &then);
}

/** Whether a key has the value of that version. */
static bool key_is(alex_table *handle, int table, int64_t key, unsigned version)
{
    static unsigned char buffer[WORLD_VALUE_MAX];
    size_t size = 0;
    int code = alex_get(handle, key, buffer, sizeof buffer, &size);
    if (version == 0) {
        return code == ALEX_NOT_FOUND;
    }
    return code == ALEX_OK && size == world_value_size(key, version) &&
           memcmp(buffer, world_value(table, key, version), size) == 0;
}

/** Whether the open store holds that. */
static bool world_is(struct world *world, const struct world_contents *contents)
{
    for (int table = 0; table < WORLD_TABLES; table++) {
        struct alex_table_options options = {.mode = ALEX_MUST_EXIST};
        alex_table *handle = NULL;
        int code = alex_table_open(world->store, world_names[table], &options, &handle);
        if (code != (contents->exists[table] ? ALEX_OK : ALEX_NOT_FOUND)) {
            return false;
        }
        uint64_t present = 0;
        for (int64_t key = 0; key < WORLD_KEYS && handle != NULL; key++) {
            present += contents->versions[table][key] != 0;
            if (!key_is(handle, table, key, contents->versions[table][key])) {
                return false;
            }
        }
        struct alex_table_stats stats;
        if (handle != NULL) {
            ASSERT_OK(alex_table_stat(handle, &stats));
            assert_int_equal(stats.keys, present);
        }
    }
    return true;
}

void world_verify(struct world *world)
{
    assert_true(world_is(world, &world->now));
    helper_check(world->store);
}

void world_verify_opened(struct world *world)
{
    if (world->in_doubt && world_is(world, &world->doubtful)) {
        world->now = world->doubtful;
    }
    world->in_doubt = false;
    world_verify(world);
}
