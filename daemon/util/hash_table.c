/* SPDX-License-Identifier: MIT */
#include "util/hash_table.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Open addressing with linear probing over (hash, entry number) slots; the entries themselves live in chunks
 * that are never moved. XXH3 with a secret of our own rather than SipHash: with the whole secret unknown an
 * attacker cannot cancel its multiplications, it is the faster of the two for 40-byte keys, and a packaged
 * library keeps it. */
#define SECRET_BYTES  192
#define CHUNK_ENTRIES 256u
#define NO_ENTRY      UINT32_MAX

struct slot {
        uint32_t hash;
        uint32_t entry; /* NO_ENTRY: free */
};

struct hash_table {
        size_t entry_size, key_size;
        uint32_t max_entries;
        uint32_t used;
        uint32_t next_unused; /* entries from here on were never handed out */
        uint32_t free_head;   /* entries that were handed back, linked through their first four bytes */

        struct slot *slots;
        uint32_t mask; /* slots - 1, a power of two less one */

        uint8_t **chunks;
        uint64_t **in_use; /* a bit per entry of each chunk */
        uint32_t n_chunks;

        uint8_t secret[SECRET_BYTES];
};

static uint32_t hash_key(const struct hash_table *table, const void *key) {
        return (uint32_t) XXH3_64bits_withSecret(key, table->key_size, table->secret, SECRET_BYTES);
}

static uint8_t *entry_at(const struct hash_table *table, uint32_t number) {
        return table->chunks[number / CHUNK_ENTRIES] + (size_t) (number % CHUNK_ENTRIES) * table->entry_size;
}

static void mark(struct hash_table *table, uint32_t number, bool in_use) {
        uint64_t *word = &table->in_use[number / CHUNK_ENTRIES][number % CHUNK_ENTRIES / 64];
        uint64_t bit = UINT64_C(1) << (number % 64);

        *word = in_use ? *word | bit : *word & ~bit;
}

static struct slot *new_slots(uint32_t n) {
        struct slot *slots = malloc((size_t) n * sizeof(*slots));

        if (!slots)
                return NULL;
        for (uint32_t i = 0; i < n; i++)
                slots[i] = (struct slot){.entry = NO_ENTRY};
        return slots;
}

int hash_table_new(size_t entry_size, size_t key_size, uint32_t max_entries, struct hash_table **ret_table) {
        _cleanup_(hash_table_freep) struct hash_table *table = NULL;
        ssize_t n;

        if (key_size == 0 || key_size > entry_size || max_entries == 0 || max_entries >= UINT32_MAX / 4)
                return -EINVAL;

        table = calloc(1, sizeof(*table));
        if (!table)
                return -ENOMEM;
        /* room for the free list's link, and entries aligned for anything they may hold */
        table->entry_size = (MAX(entry_size, sizeof(uint32_t)) + 15) & ~(size_t) 15;
        table->key_size = key_size;
        table->max_entries = max_entries;
        table->free_head = NO_ENTRY;

        table->mask = 63;
        table->slots = new_slots(table->mask + 1);
        if (!table->slots)
                return -ENOMEM;

        n = getrandom(table->secret, sizeof(table->secret), 0);
        if (n < 0)
                return -errno;
        if ((size_t) n < sizeof(table->secret)) /* at most 256 bytes are never cut short: getrandom(2) */
                return -EIO;

        *ret_table = TAKE_PTR(table);
        return 0;
}

void hash_table_free(struct hash_table *table) {
        if (!table)
                return;
        for (uint32_t i = 0; i < table->n_chunks; i++) {
                free(table->chunks[i]);
                free(table->in_use[i]);
        }
        free(table->chunks);
        free(table->in_use);
        free(table->slots);
        free(table);
}

/* The slot that holds key, or the free one where it would go. */
static struct slot *find_slot(const struct hash_table *table, const void *key, uint32_t hash) {
        for (uint32_t i = hash & table->mask;; i = (i + 1) & table->mask) {
                struct slot *slot = &table->slots[i];

                if (slot->entry == NO_ENTRY ||
                    (slot->hash == hash && memcmp(entry_at(table, slot->entry), key, table->key_size) == 0))
                        return slot;
        }
}

void *hash_table_find(const struct hash_table *table, const void *key) {
        const struct slot *slot = find_slot(table, key, hash_key(table, key));

        return slot->entry == NO_ENTRY ? NULL : entry_at(table, slot->entry);
}

static int grow_slots(struct hash_table *table) {
        uint32_t mask = table->mask * 2 + 1;
        struct slot *slots = new_slots(mask + 1);

        if (!slots)
                return -ENOMEM;
        for (uint32_t i = 0; i <= table->mask; i++) {
                struct slot moved = table->slots[i];
                uint32_t to = moved.hash & mask;

                if (moved.entry == NO_ENTRY)
                        continue;
                while (slots[to].entry != NO_ENTRY)
                        to = (to + 1) & mask;
                slots[to] = moved;
        }

        free(table->slots);
        table->slots = slots;
        table->mask = mask;
        return 0;
}

static int grow_chunks(struct hash_table *table) {
        _cleanup_free_ uint8_t *chunk = NULL;
        _cleanup_free_ uint64_t *in_use = NULL;
        uint8_t **chunks;
        uint64_t **bits;

        chunks = realloc(table->chunks, (table->n_chunks + 1) * sizeof(*chunks));
        if (!chunks)
                return -ENOMEM;
        table->chunks = chunks;
        bits = realloc(table->in_use, (table->n_chunks + 1) * sizeof(*bits));
        if (!bits)
                return -ENOMEM;
        table->in_use = bits;

        chunk = calloc(CHUNK_ENTRIES, table->entry_size);
        in_use = calloc(CHUNK_ENTRIES / 64, sizeof(*in_use));
        if (!chunk || !in_use)
                return -ENOMEM;
        chunks[table->n_chunks] = TAKE_PTR(chunk);
        bits[table->n_chunks++] = TAKE_PTR(in_use);
        return 0;
}

static int take_entry(struct hash_table *table, uint32_t *ret_number) {
        if (table->free_head != NO_ENTRY) {
                *ret_number = table->free_head;
                memcpy(&table->free_head, entry_at(table, *ret_number), sizeof(table->free_head));
                return 0;
        }
        if (table->next_unused == table->n_chunks * CHUNK_ENTRIES) {
                int r = grow_chunks(table);

                if (r < 0)
                        return r;
        }
        *ret_number = table->next_unused++;
        return 0;
}

int hash_table_add(struct hash_table *table, const void *key, void **ret_entry) {
        uint32_t hash = hash_key(table, key), number;
        uint8_t *entry;
        int r;

        if (table->used >= table->max_entries)
                return -ENOSPC;
        if (table->used >= table->mask / 4 * 3) {
                r = grow_slots(table);
                if (r < 0)
                        return r;
        }
        r = take_entry(table, &number);
        if (r < 0)
                return r;

        entry = entry_at(table, number);
        memset(entry, 0, table->entry_size);
        memcpy(entry, key, table->key_size);
        *find_slot(table, key, hash) = (struct slot){.hash = hash, .entry = number};
        mark(table, number, true);
        table->used++;

        *ret_entry = entry;
        return 0;
}

/* Closes the gap at slot i: moves later slots of the same run back, so that no tombstones are needed. */
static void close_gap(struct hash_table *table, uint32_t i) {
        for (uint32_t j = (i + 1) & table->mask; table->slots[j].entry != NO_ENTRY;
             j = (j + 1) & table->mask) {
                uint32_t home = table->slots[j].hash & table->mask;

                if (((j - home) & table->mask) < ((j - i) & table->mask))
                        continue; /* its home lies behind the gap: it must stay */
                table->slots[i] = table->slots[j];
                i = j;
        }
        table->slots[i].entry = NO_ENTRY;
}

void hash_table_remove(struct hash_table *table, void *entry) {
        struct slot *slot = find_slot(table, entry, hash_key(table, entry));
        uint32_t number = slot->entry;

        close_gap(table, (uint32_t) (slot - table->slots));
        mark(table, number, false);
        memcpy(entry, &table->free_head, sizeof(table->free_head));
        table->free_head = number;
        table->used--;
}

void *hash_table_next(const struct hash_table *table, uint32_t *cursor) {
        while (*cursor < table->next_unused) {
                uint32_t number = *cursor;
                uint64_t word =
                        table->in_use[number / CHUNK_ENTRIES][number % CHUNK_ENTRIES / 64] >> (number % 64);

                if (word == 0) {
                        *cursor = (number / 64 + 1) * 64;
                        continue;
                }
                number += (uint32_t) __builtin_ctzll(word);
                *cursor = number + 1;
                return entry_at(table, number);
        }
        return NULL;
}

uint32_t hash_table_size(const struct hash_table *table) {
        return table->used;
}

uint32_t hash_table_capacity(const struct hash_table *table) {
        return table->max_entries;
}

size_t hash_table_bytes(const struct hash_table *table) {
        return sizeof(*table) + ((size_t) table->mask + 1) * sizeof(struct slot) +
               table->n_chunks *
                       (CHUNK_ENTRIES * table->entry_size + CHUNK_ENTRIES / 8 + 2 * sizeof(void *));
}
