/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file zero_copy.c
 * Values without copies: written in place, and read where they lie, one by one and many at once.
 *
 * Usage: zero_copy [DIRECTORY]
 */
#include "example.h"

#define TILES 256u
#define TILE_BYTES 4096u

/** Draws a tile straight into the store's log. */
static void draw(alex_table *tiles, int64_t key)
{
    void *buffer;
    MUST(alex_put_reserve(tiles, key, TILE_BYTES, &buffer));
    memset(buffer, (int)(key % 251), TILE_BYTES);
    MUST(alex_put_commit(tiles, NULL));
}

static void read_one(alex_txn *txn, alex_table *tiles)
{
    struct alex_slice tile;
    MUST(alex_txn_get(txn, tiles, 7, &tile));
    EXPECT(tile.size == TILE_BYTES && ((const unsigned char *)tile.data)[100] == 7);
}

/** Asks for all tiles at once, and for one that isn't there: several times faster than one by one. */
static void read_many(alex_txn *txn, alex_table *tiles)
{
    int64_t keys[TILES + 1];
    struct alex_slice values[TILES + 1];
    size_t found;
    for (uint32_t i = 0; i <= TILES; i++) {
        keys[i] = TILES - i; /* any order; the first key, TILES, has no value */
    }
    MUST(alex_txn_get_many(txn, tiles, keys, TILES + 1, values, &found));
    EXPECT(found == TILES && values[0].data == NULL);
    for (uint32_t i = 1; i <= TILES; i++) {
        EXPECT(values[i].size == TILE_BYTES && ((const unsigned char *)values[i].data)[0] == keys[i] % 251);
    }
    printf("%zu tiles found, %u bytes each, none copied\n", found, TILE_BYTES);
}

int main(int argc, char **argv)
{
    struct example_place place = example_begin(argc, argv);
    struct alex_slice before, again;
    alex_store *store;
    alex_table *tiles;
    alex_txn *txn;

    MUST(alex_open(place.store, NULL, &store));
    MUST(alex_table_open(store, "tiles", NULL, &tiles));
    for (int64_t key = 0; key < TILES; key++) {
        draw(tiles, key);
    }

    MUST(alex_begin(store, ALEX_READ, &txn));
    read_one(txn, tiles);
    read_many(txn, tiles);

    /* The transaction goes on seeing the value that was there when it began, and may keep the pointer to its end. */
    MUST(alex_txn_get(txn, tiles, 9, &before));
    MUST(alex_put(tiles, 9, "overwritten", 11, NULL));
    MUST(alex_txn_get(txn, tiles, 9, &again));
    EXPECT(before.data == again.data && again.size == TILE_BYTES && *(const unsigned char *)before.data == 9);
    MUST(alex_end(txn));

    MUST(alex_close(store));
    example_end(&place);
    return 0;
}
