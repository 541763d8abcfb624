/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "account/rank.h"
#include "support/test.h"

#define USEC UINT64_C(1000000)

static struct process_table *new_table(uint32_t max_processes, uint32_t max_exited, uint32_t max_folded) {
        const struct process_limits limits = {max_processes, max_exited, max_folded, 8};
        struct process_table *table;

        assert_int_equal(process_table_new(&limits, &table), 0);
        return table;
}

static struct process *add(struct process_table *table, uint32_t pid, uint64_t start, const char *exe,
                           uint64_t bytes) {
        struct process_id id = {.pid = pid, .start_ticks = start};
        struct process *process;

        assert_int_equal(process_table_add(table, &id, &process), 0);
        process->info.exe = exe ? strdup(exe) : NULL;
        (void) traffic_add(&process->traffic, false, T0_USEC, bytes, 1);
        return process;
}

static uint64_t all_bytes(const struct process_table *table) {
        uint64_t bytes = process_table_departed_bytes(table);
        const struct process *process;
        uint32_t cursor = 0;

        while ((process = process_table_next(table, &cursor)))
                bytes += traffic_bytes(&process->traffic);
        return bytes;
}

static void expire(struct process_table *table, uint64_t second) {
        (void) process_table_expire(table, T0_USEC + second * USEC);
        process_table_sweep(table);
}

static void test_pid_is_no_identity(void **state) {
        struct process_table *table = new_table(10, 10, 2);
        struct process *first = add(table, 42, 100, "/a", 5), *second;

        (void) state;
        process_table_exit(table, first, T0_USEC);
        second = add(table, 42, 200, "/b", 7);
        assert_ptr_equal(process_table_find(table, &first->id), first);
        assert_ptr_equal(process_table_find_pid(table, 42), second);
        assert_null(process_table_find_pid(table, 43));
        assert_null(process_table_find_pid(table, 0));
        process_table_free(table);
}

static void test_exited_stay_for_the_longest_window(void **state) {
        struct process_table *table = new_table(10, 10, 2);

        (void) state;
        process_table_exit(table, add(table, 1, 1, "/a", 5), T0_USEC);
        (void) add(table, 2, 1, "/b", 6);
        expire(table, 300);
        assert_int_equal(process_table_size(table), 2);
        expire(table, 301);
        assert_int_equal(process_table_size(table), 1); /* the one that lives, however silent */
        assert_int_equal(all_bytes(table), 11);
        process_table_free(table);
}

/* Memory is bounded and no byte is lost: the oldest fold by executable, and what is too much for that into
 * one. */
static void test_too_many_exited_fold(void **state) {
        struct process_table *table = new_table(1000, 16, 2);
        uint32_t cursor = 0, folded = 0, singles = 0, processes = 0;
        struct process *process;

        (void) state;
        for (uint32_t pid = 1; pid <= 100; pid++) {
                static const char *const exes[] = {"/bin/a", "/bin/b", "/bin/c", "/bin/d"};

                process = add(table, pid, 1, exes[pid % 4], pid);
                process_table_exit(table, process, T0_USEC + pid);
        }
        expire(table, 1);
        while ((process = process_table_next(table, &cursor))) {
                if (process->processes > 0) {
                        assert_int_equal(process->id.pid, 0);
                        assert_true(process_exited(process));
                        folded++;
                        processes += process->processes;
                } else {
                        assert_true(process->id.pid > 100 - 16); /* the newest stay */
                        singles++;
                }
        }
        assert_int_equal(folded, 3); /* two executables and (other) */
        assert_true(singles <= 16 && singles > 0);
        assert_int_equal(processes + singles, 100);
        assert_int_equal(all_bytes(table), 5050);

        expire(table, 400);
        assert_int_equal(process_table_size(table), 0);
        assert_int_equal(all_bytes(table), 5050);
        process_table_free(table);
}

static void test_table_is_bounded(void **state) {
        struct process_table *table = new_table(2, 2, 1);
        struct process_id id = {.pid = 3};
        struct process *process;

        (void) state;
        (void) add(table, 1, 1, NULL, 1);
        (void) add(table, 2, 1, NULL, 1);
        assert_int_equal(process_table_add(table, &id, &process), -ENOSPC);
        process_table_free(table);
}

static void test_rank_is_stable(void **state) {
        struct process_table *table = new_table(10, 10, 2);
        static const uint32_t order[] = {7, 2, 3, 5, 9}; /* by bytes, ties by pid */
        struct rank_row *rows;
        size_t n;

        (void) state;
        (void) add(table, 9, 1, NULL, 0);
        (void) add(table, 3, 1, NULL, 50);
        (void) add(table, 7, 1, NULL, 60);
        (void) add(table, 2, 1, NULL, 50);
        (void) add(table, 5, 1, NULL, 50);
        assert_int_equal(rank_processes(table, T0_USEC + 2 * USEC, 5, RANK_BY_TOTAL, 0, &rows, &n), 0);
        assert_int_equal(n, ELEMENTSOF(order));
        for (size_t i = 0; i < n; i++)
                assert_int_equal(rows[i].process->id.pid, order[i]);
        free(rows);
        assert_int_equal(rank_processes(table, T0_USEC + 2 * USEC, 5, RANK_BY_TOTAL, 2, &rows, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(rows[0].window.in, 60);
        free(rows);
        process_table_free(table);

        table = new_table(1, 1, 1);
        assert_int_equal(rank_processes(table, T0_USEC, 1, RANK_BY_TOTAL, 5, &rows, &n), 0);
        assert_int_equal(n, 0);
        free(rows);
        process_table_free(table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pid_is_no_identity),
                cmocka_unit_test(test_exited_stay_for_the_longest_window),
                cmocka_unit_test(test_too_many_exited_fold),
                cmocka_unit_test(test_table_is_bounded),
                cmocka_unit_test(test_rank_is_stable),
        };

        return cmocka_run_group_tests_name("process-table", tests, NULL, NULL);
}
