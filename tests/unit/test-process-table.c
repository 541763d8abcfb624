/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>

#include "account/rank.h"
#include "support/test.h"

#define USEC UINT64_C(1000000)

/* Of a window that ends there; whatever else. */
#define QUERY(now, seconds, ...) \
        (&(struct rank_query){.now_usec = (now), .recent = (seconds), __VA_ARGS__})

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
        (void) traffic_add(&process->traffic.all, false, T0_USEC, bytes, 1);
        return process;
}

static uint64_t all_bytes(const struct process_table *table) {
        uint64_t bytes = process_table_departed_bytes(table);
        const struct process *process;
        uint32_t cursor = 0;

        while ((process = process_table_next(table, &cursor)))
                bytes += traffic_bytes(&process->traffic.all);
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

static void add_loopback(struct process *process, uint64_t bytes) {
        struct sample sample = test_sample(test_key(1, 1, 1, 2, IPPROTO_UDP), DIRECTION_OUT, bytes, 0);

        sample.loopback = true;
        assert_int_equal(split_traffic_add(&process->traffic, true, &sample), 0);
}

/* A folded row tells loopback apart as its processes did, and how many of them had anything else. */
static void test_folded_without_loopback(void **state) {
        const struct rank_query query = {.now_usec = T0_USEC + USEC, .recent = 5, .without_loopback = true};
        struct process_table *table = new_table(100, 8, 2);
        struct rank_row *rows;
        struct process *process;
        size_t n;

        (void) state;
        for (uint32_t pid = 1; pid <= 9; pid++) { /* two fold */
                process = add(table, pid, 1, "/bin/a", pid == 2 ? 0 : 100 * pid);
                if (pid == 2)
                        add_loopback(process, 7);
                process_table_exit(table, process, T0_USEC + pid);
        }
        expire(table, 1);
        assert_int_equal(process_table_size(table), 8);
        assert_int_equal(rank_processes(table, &query, &rows, &n), 0);
        assert_int_equal(n, 8);
        assert_int_equal(rows[7].processes, 1);
        assert_int_equal(rows[7].process->processes, 2);
        assert_int_equal(rows[7].window.in, 100);
        assert_int_equal(rows[7].window.out, 0);
        assert_int_equal(rows[7].process->traffic.all.out, 7);
        free(rows);
        process_table_free(table);

        table = new_table(100, 8, 2); /* nothing but loopback folds: there is no row */
        for (uint32_t pid = 1; pid <= 9; pid++) {
                process = add(table, pid, 1, pid <= 2 ? "/bin/a" : "/bin/b", pid <= 2 ? 0 : 1);
                if (pid <= 2)
                        add_loopback(process, 7);
                process_table_exit(table, process, T0_USEC + pid);
        }
        expire(table, 1);
        assert_int_equal(rank_processes(table, &query, &rows, &n), 0);
        assert_int_equal(n, 7);
        free(rows);
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
        assert_int_equal(rank_processes(table, QUERY(T0_USEC + 2 * USEC, 5), &rows, &n), 0);
        assert_int_equal(n, ELEMENTSOF(order));
        for (size_t i = 0; i < n; i++)
                assert_int_equal(rows[i].process->id.pid, order[i]);
        free(rows);
        assert_int_equal(rank_processes(table, QUERY(T0_USEC + 2 * USEC, 5, .limit = 2), &rows, &n), 0);
        assert_int_equal(n, 2);
        assert_int_equal(rows[0].window.in, 60);
        free(rows);
        process_table_free(table);

        table = new_table(1, 1, 1);
        assert_int_equal(rank_processes(table, QUERY(T0_USEC, 1, .limit = 5), &rows, &n), 0);
        assert_int_equal(n, 0);
        free(rows);
        process_table_free(table);
}

/* Amounts, order and rows are as if nothing had gone over loopback. */
static void test_rank_without_loopback(void **state) {
        struct rank_query query = {.now_usec = T0_USEC + USEC, .recent = 5, .without_loopback = true};
        struct process_table *table = new_table(10, 10, 2);
        struct process *gone;
        struct rank_row *rows;
        size_t n;

        (void) state;
        add_loopback(add(table, 1, 1, NULL, 50), 1000);
        (void) add(table, 2, 1, NULL, 60);
        add_loopback(add(table, 3, 1, NULL, 0), 2000);
        (void) add(table, 4, 1, NULL, 0);
        gone = add(table, 5, 1, NULL, 30);
        add_loopback(gone, 1);
        process_table_exit(table, gone, T0_USEC);
        assert_int_equal(rank_processes(table, &query, &rows, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(rows[0].process->id.pid, 2);
        assert_int_equal(rows[1].process->id.pid, 1);
        assert_int_equal(rows[1].window.in + rows[1].window.out, 50);
        assert_int_equal(rows[1].traffic->packets_out, 0);
        assert_int_equal(rows[2].process->id.pid, 5);
        free(rows);
        gone->traffic.not_loopback.ring.n = 0; /* has left the longest window, and loopback has not */
        query.limit = 1;
        assert_int_equal(rank_processes(table, &query, &rows, &n), 0);
        assert_int_equal(n, 1);
        free(rows);
        query.limit = 0;
        assert_int_equal(rank_processes(table, &query, &rows, &n), 0);
        assert_int_equal(n, 2);
        free(rows);

        query.without_loopback = false;
        assert_int_equal(rank_processes(table, &query, &rows, &n), 0);
        assert_int_equal(n, 5);
        assert_int_equal(rows[0].process->id.pid, 3);
        assert_int_equal(rows[1].window.in + rows[1].window.out, 1050);
        free(rows);
        process_table_free(table);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pid_is_no_identity),
                cmocka_unit_test(test_exited_stay_for_the_longest_window),
                cmocka_unit_test(test_too_many_exited_fold),
                cmocka_unit_test(test_folded_without_loopback),
                cmocka_unit_test(test_table_is_bounded),
                cmocka_unit_test(test_rank_is_stable),
                cmocka_unit_test(test_rank_without_loopback),
        };

        return cmocka_run_group_tests_name("process-table", tests, NULL, NULL);
}
