/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "util/macros.h"

/* A hash table of fixed-size entries that begin with their key. Entries never move while they are in the
 * table, so pointers to them stay good until hash_table_remove(). The hash is keyed with 192 random bytes
 * per table: whoever chooses the keys (addresses and ports come off the wire) cannot choose the collisions.
 */
struct hash_table;

/* entry_size and key_size in bytes, key_size <= entry_size; max_entries is a hard bound on memory.
 * Returns 0 or -ENOMEM, -EINVAL, or what getrandom(2) failed with. The caller frees *ret_table. */
int hash_table_new(size_t entry_size, size_t key_size, uint32_t max_entries, struct hash_table **ret_table);
void hash_table_free(struct hash_table *table);
DEFINE_CLEANUP(struct hash_table *, hash_table_free)

/* The entry with that key, or NULL. */
void *hash_table_find(const struct hash_table *table, const void *key);

/* A new entry, zeroed but for its key; the key must not be in the table yet. Returns 0, -ENOSPC when
 * max_entries are in use, -ENOMEM. *ret_entry belongs to the table. */
int hash_table_add(struct hash_table *table, const void *key, void **ret_entry);

/* Takes an entry out; its memory is used again by a later hash_table_add(). */
void hash_table_remove(struct hash_table *table, void *entry);

/* Walks all entries in no particular order: start with *cursor = 0, ends with NULL. The entry just returned
 * may be removed during the walk; entries added during it may or may not be seen. */
void *hash_table_next(const struct hash_table *table, uint32_t *cursor);

uint32_t hash_table_size(const struct hash_table *table);     /* entries in use */
uint32_t hash_table_capacity(const struct hash_table *table); /* max_entries */
size_t hash_table_bytes(const struct hash_table *table);      /* memory held now */
