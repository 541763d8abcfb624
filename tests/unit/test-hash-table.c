/* SPDX-License-Identifier: MIT */
#include "support/test.h"

/* With what is in it, as somebody would have it who knows a table's secret. */
#include "util/hash_table.c"

#define KEYS     1000u
#define SLOTS    2048u /* of a table with so many */
#define COLLIDED 3     /* the slot that is aimed at */

struct entry {
        uint64_t key;
};

static struct hash_table *new_table(void) {
        struct hash_table *table;

        assert_int_equal(hash_table_new(sizeof(struct entry), sizeof(uint64_t), KEYS, &table), 0);
        return table;
}

/* How many slots in a row are taken, at most: no look-up goes through more. */
static uint32_t longest_run(const struct hash_table *table) {
        uint32_t longest = 0, run = 0;

        for (uint32_t i = 0; i < 2 * (table->mask + 1); i++) { /* twice, for a run around the end */
                run = table->slots[i & table->mask].entry == NO_ENTRY ? 0 : run + 1;
                longest = MAX(longest, run);
        }
        return longest;
}

/* The next key that has its home in that slot. */
static uint64_t next_collision(const struct hash_table *table, uint64_t key) {
        do
                key++;
        while ((hash_key(table, &key) & (SLOTS - 1)) != COLLIDED);
        return key;
}

static void test_chosen_collisions(void **state) {
        struct hash_table *known = new_table(), *other = new_table();
        uint64_t key = 0;
        void *entry;

        (void) state;
        for (uint32_t i = 0; i < KEYS; i++) {
                key = next_collision(known, key);
                assert_int_equal(hash_table_add(known, &key, &entry), 0);
                assert_int_equal(hash_table_add(other, &key, &entry), 0);
        }
        assert_int_equal(known->mask + 1, SLOTS);
        assert_int_equal(longest_run(known), KEYS); /* one list, for who knows the secret of the table */
        /* Of keys that are as good as random, at a load of 1/2: the longest run of a table is about 40
         * slots, and one of 150 comes once in 10^9 tables: n e^(-150 (load - 1 - ln load)). */
        assert_true(longest_run(other) < 150);
        hash_table_free(known);
        hash_table_free(other);
}

static void test_full_table(void **state) {
        struct hash_table *table;
        void *entry;

        (void) state;
        assert_int_equal(hash_table_new(sizeof(struct entry), sizeof(uint64_t), 100000, &table), 0);
        for (uint64_t key = 0; key < 98304; key++) /* as many as 131072 slots hold before they are doubled */
                assert_int_equal(hash_table_add(table, &key, &entry), 0);
        assert_true(table->used <= table->mask / 4 * 3 + 1); /* never fuller than that */
        assert_true(longest_run(table) < 1000);
        hash_table_free(table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_chosen_collisions),
                cmocka_unit_test(test_full_table),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
