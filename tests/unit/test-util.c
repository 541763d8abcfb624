/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "support/test.h"
#include "util/hash_table.h"
#include "util/parse.h"
#include "util/utf8.h"

struct entry {
        uint64_t key;
        uint64_t value;
};

static void test_table_finds_what_was_added(void **state) {
        struct hash_table *table;
        uint32_t cursor = 0, n = 0;
        void *entry;

        (void) state;
        assert_int_equal(hash_table_new(sizeof(struct entry), sizeof(uint64_t), 10000, &table), 0);
        for (uint64_t key = 0; key < 10000; key++) {
                assert_null(hash_table_find(table, &key));
                assert_int_equal(hash_table_add(table, &key, &entry), 0);
                ((struct entry *) entry)->value = key * 3;
        }
        for (uint64_t key = 0; key < 10000; key++)
                assert_int_equal(((struct entry *) hash_table_find(table, &key))->value, key * 3);
        while (hash_table_next(table, &cursor))
                n++;
        assert_int_equal(n, 10000);
        assert_int_equal(hash_table_size(table), 10000);
        hash_table_free(table);
}

static void test_table_is_bounded(void **state) {
        struct hash_table *table;
        uint64_t key = 1;
        void *entry;

        (void) state;
        assert_int_equal(hash_table_new(sizeof(struct entry), sizeof(uint64_t), 1, &table), 0);
        assert_int_equal(hash_table_add(table, &key, &entry), 0);
        key = 2;
        assert_int_equal(hash_table_add(table, &key, &entry), -ENOSPC);
        hash_table_free(table);
        assert_int_equal(hash_table_new(4, 8, 1, &table), -EINVAL);
        assert_int_equal(hash_table_new(8, 0, 1, &table), -EINVAL);
        assert_int_equal(hash_table_new(8, 8, 0, &table), -EINVAL);
}

/* Removal closes gaps in runs of slots: one that is closed wrongly loses an entry behind it. Memory is used
 * again. */
static void test_table_survives_removals(void **state) {
        bool there[512] = {};
        struct hash_table *table;
        uint32_t seed = 1;
        size_t bytes = 0;

        (void) state;
        assert_int_equal(hash_table_new(sizeof(struct entry), sizeof(uint64_t), 512, &table), 0);
        for (int i = 0; i < 100000; i++) {
                uint64_t key = (seed = seed * 1103515245 + 12345) >> 16 & 511;
                void *entry = hash_table_find(table, &key);

                assert_true((entry != NULL) == there[key]);
                if (entry)
                        hash_table_remove(table, entry);
                else
                        assert_int_equal(hash_table_add(table, &key, &entry), 0);
                there[key] = !there[key];
                if (i == 50000)
                        bytes = hash_table_bytes(table);
        }
        assert_int_equal(hash_table_bytes(table), bytes);
        hash_table_free(table);
}

static void test_table_walk_allows_removal(void **state) {
        struct hash_table *table;
        uint32_t cursor = 0, n = 0;
        void *entry;

        (void) state;
        assert_int_equal(hash_table_new(sizeof(struct entry), sizeof(uint64_t), 1000, &table), 0);
        for (uint64_t key = 0; key < 1000; key++)
                assert_int_equal(hash_table_add(table, &key, &entry), 0);
        while ((entry = hash_table_next(table, &cursor))) {
                hash_table_remove(table, entry);
                n++;
        }
        assert_int_equal(n, 1000);
        assert_int_equal(hash_table_size(table), 0);
        hash_table_free(table);
}

static void test_numbers_are_strict(void **state) {
        static const char *const bad[] = {
                "", " 1", "1 ", "+1", "-1", "0x10", "1.0", "1a", "99999999999999999999x"};
        uint32_t value = 77;
        uint64_t large;

        (void) state;
        assert_int_equal(parse_u32("0", 0, 10, &value), 0);
        assert_int_equal(value, 0);
        assert_int_equal(parse_u32("00010", 0, 10, &value), 0);
        assert_int_equal(value, 10);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_u32(bad[i], 0, 10, &value), -EINVAL);
        assert_int_equal(parse_u32("11", 0, 10, &value), -ERANGE);
        assert_int_equal(parse_u32("4294967296", 0, UINT32_MAX, &value), -ERANGE);
        assert_int_equal(value, 10); /* untouched by failures */
        assert_int_equal(parse_u64("18446744073709551615", 0, UINT64_MAX, &large), 0);
        assert_true(large == UINT64_MAX);
        assert_int_equal(parse_u64("18446744073709551616", 0, UINT64_MAX, &large), -ERANGE);
        assert_int_equal(parse_u64_prefix("12]", 3, &large), 2);
        assert_int_equal(parse_u64_prefix("123", 2, &large), 2);
        assert_int_equal(large, 12);
}

static void test_utf8_is_made_valid(void **state) {
        static const struct {
                const char *text, *valid;
        } cases[] = {
                {"plain", "plain"},
                {"grün €😀", "grün €😀"},
                {"\xff\xfe", "??"},
                {"cut\xe2\x82", "cut??"},     /* ends inside a character */
                {"\xc0\xaf", "??"},           /* longer than need be */
                {"\xed\xa0\x80", "???"},      /* a surrogate */
                {"\xf4\x90\x80\x80", "????"}, /* beyond U+10FFFF */
                {"a\x80z", "a?z"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *text = strdup(cases[i].text);

                utf8_make_valid(text);
                assert_string_equal(text, cases[i].valid);
                free(text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table_finds_what_was_added),
                cmocka_unit_test(test_table_is_bounded),
                cmocka_unit_test(test_table_survives_removals),
                cmocka_unit_test(test_table_walk_allows_removal),
                cmocka_unit_test(test_numbers_are_strict),
                cmocka_unit_test(test_utf8_is_made_valid),
        };

        return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
