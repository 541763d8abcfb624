/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "account/dimension.h"
#include "account/group.h"
#include "support/test.h"

#define USEC UINT64_C(1000000)

/* Of a window that ends there; whatever else. */
#define QUERY(now, seconds, ...) \
        (&(struct rank_query){.now_usec = (now), .recent = (seconds), __VA_ARGS__})

static struct process *add(struct process_table *table, uint32_t pid, const char *exe, const char *unit, uid_t uid,
                           uint64_t in, uint64_t out) {
        const struct process_id id = {.pid = pid, .start_ticks = 1};
        struct process *process;

        assert_int_equal(process_table_add(table, &id, &process), 0);
        process->info = (struct process_info){.id = id,
                                              .uid_known = uid != (uid_t) -1,
                                              .uid = uid,
                                              .exe = exe ? strdup(exe) : NULL,
                                              .unit = unit ? strdup(unit) : NULL};
        assert_int_equal(traffic_add(&process->traffic.all, false, T0_USEC, in, 1), 0);
        assert_int_equal(traffic_add(&process->traffic.all, true, T0_USEC, out, 1), 0);
        return process;
}

static struct process_table *new_table(void) {
        const struct process_limits limits = {
                .max_processes = 20, .max_exited = 10, .max_folded = 2, .max_inodes = 8};
        struct process_table *table;

        assert_int_equal(process_table_new(&limits, &table), 0);
        return table;
}

static void test_app_names(void **state) {
        static const struct {
                const char *unit, *app;
        } cases[] = {
                {"app-gnome-firefox-1234.scope", "firefox"},
                {"app-firefox-1234.scope", "firefox"},
                {"app-org.kde.konsole@12ab.service", "org.kde.konsole"},
                {"app-org.kde.konsole.service", "org.kde.konsole"},
                {"app-flatpak-org.mozilla.Thunderbird-77.scope", "org.mozilla.Thunderbird"},
                {"app-gnome-google\\x2dchrome-5.scope", "google-chrome"},
                {"app-a\\x00b\\x-5.scope", "a\\x00b\\x"},
                {"app-firefox.scope", NULL}, /* the random part is never left out */
                {"app-.scope", NULL},
                {"app--1.scope", NULL},
                {"app-@1.service", NULL},
                {"app.slice", NULL},
                {"app-x.slice", NULL},
                {"ssh.service", NULL},
                {"", NULL},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_free_ char *app = NULL;

                assert_int_equal(app_from_unit(cases[i].unit, &app), cases[i].app ? 0 : -ENODATA);
                if (cases[i].app)
                        assert_string_equal(app, cases[i].app);
                else
                        assert_null(app);
        }
}

/* Two browsers' processes are one row each, whatever their executables; the sums are those of their members. */
static void test_apps(void **state) {
        _cleanup_(process_table_freep) struct process_table *table = new_table();
        struct traffic traffic;
        struct groups groups;

        (void) state;
        add(table, 1, "/usr/lib/firefox/firefox", "app-gnome-firefox-1.scope", 1000, 100, 10);
        add(table, 2, "/usr/lib/firefox/content", "app-gnome-firefox-1.scope", 1000, 200, 20);
        add(table, 3, "/usr/bin/curl", "session-1.scope", 1000, 1000, 0);
        add(table, 4, "/usr/bin/curl", NULL, 0, 5, 5);
        add(table, 5, NULL, NULL, (uid_t) -1, 1, 1);
        assert_int_equal(group_processes(table, GROUP_BY_APP, QUERY(T0_USEC + USEC, 5), &groups), 0);
        assert_int_equal(groups.n, 3);
        assert_string_equal(groups.groups[0].first->info.exe, "/usr/bin/curl");
        assert_null(groups.groups[0].app);
        assert_int_equal(groups.groups[0].first->id.pid, 3);
        assert_int_equal(groups.groups[0].processes, 2);
        assert_false(groups.groups[0].one_user);
        assert_int_equal(groups.groups[0].window.in, 1005);
        assert_int_equal(group_traffic(&groups.groups[0], &traffic), 0);
        assert_int_equal(traffic.in, 1005);
        assert_int_equal(traffic.out, 5);
        traffic_done(&traffic);
        assert_string_equal(groups.groups[1].app, "firefox");
        assert_int_equal(groups.groups[1].first->id.pid, 2);
        assert_true(groups.groups[1].one_user);
        assert_int_equal(groups.groups[1].window.in + groups.groups[1].window.out, 330);
        assert_false(groups.groups[2].known);
        groups_done(&groups);

        assert_int_equal(group_processes(table, GROUP_BY_APP,
                                         QUERY(T0_USEC + USEC, 5, .sort = RANK_BY_OUT, .limit = 1), &groups),
                         0);
        assert_int_equal(groups.n, 1);
        assert_string_equal(groups.groups[0].app, "firefox");
        groups_done(&groups);
}

static void test_units_and_users(void **state) {
        _cleanup_(process_table_freep) struct process_table *table = new_table();
        struct groups groups;

        (void) state;
        assert_int_equal(group_processes(table, GROUP_BY_UNIT, QUERY(T0_USEC, 5), &groups), 0);
        assert_int_equal(groups.n, 0);
        groups_done(&groups);
        add(table, 1, "/a", "a.service", 0, 1, 0);
        add(table, 2, "/b", "a.service", 7, 2, 0);
        add(table, 3, "/b", "b.service", 7, 4, 0);
        add(table, 4, "/b", NULL, (uid_t) -1, 8, 0);
        assert_int_equal(
                group_processes(table, GROUP_BY_UNIT, QUERY(T0_USEC + USEC, 5, .sort = RANK_BY_IN), &groups),
                0);
        assert_int_equal(groups.n, 3);
        assert_false(groups.groups[0].known);
        assert_string_equal(groups.groups[1].first->info.unit, "b.service");
        assert_int_equal(groups.groups[2].window.in, 3);
        groups_done(&groups);
        assert_int_equal(
                group_processes(table, GROUP_BY_USER, QUERY(T0_USEC + USEC, 5, .sort = RANK_BY_IN), &groups),
                0);
        assert_int_equal(groups.n, 3);
        assert_int_equal(groups.groups[1].first->info.uid, 7);
        assert_int_equal(groups.groups[1].processes, 2);
        assert_int_equal(groups.groups[2].first->info.uid, 0);
        groups_done(&groups);
}

static void test_groups_without_loopback(void **state) {
        const struct rank_query query = {.now_usec = T0_USEC + USEC, .recent = 5, .without_loopback = true};
        _cleanup_(process_table_freep) struct process_table *table = new_table();
        struct traffic loopback = {}, traffic;
        struct groups groups;

        (void) state;
        assert_int_equal(traffic_add(&loopback, true, T0_USEC, 1000, 1), 0);
        assert_int_equal(
                split_traffic_merge(&add(table, 1, "/a", "a.service", 0, 10, 1)->traffic, true, &loopback),
                0);
        (void) add(table, 2, "/a", "a.service", 0, 20, 2);
        assert_int_equal(
                split_traffic_merge(&add(table, 3, "/a", "a.service", 0, 0, 0)->traffic, true, &loopback),
                0);
        assert_int_equal(
                split_traffic_merge(&add(table, 4, "/b", "b.service", 0, 0, 0)->traffic, true, &loopback),
                0);
        assert_int_equal(group_processes(table, GROUP_BY_UNIT, &query, &groups), 0);
        assert_int_equal(groups.n, 1);
        assert_int_equal(groups.groups[0].processes, 2);
        assert_int_equal(groups.groups[0].first->id.pid, 2);
        assert_int_equal(groups.groups[0].window.in, 30);
        assert_int_equal(groups.groups[0].window.out, 3);
        assert_int_equal(group_traffic(&groups.groups[0], &traffic), 0);
        assert_int_equal(traffic.in, 30);
        assert_int_equal(traffic.out, 3);
        traffic_done(&traffic);
        groups_done(&groups);
        traffic_done(&loopback);
}

/* What there is no room for is one row, and the sum of all rows is always all. */
static void test_dimensions(void **state) {
        _cleanup_(dimensions_freep) struct dimensions *dimensions = NULL;
        struct dimension_row *rows;
        uint64_t sum = 0;
        size_t n;

        (void) state;
        assert_int_equal(dimensions_new(3, &dimensions), 0);
        for (uint8_t i = 1; i <= 5; i++) {
                const struct dimension_values values = {
                        .ifindex = 2, .remote = test_ipv4(i), .protocol = i % 2 ? IPPROTO_TCP : IPPROTO_UDP};
                struct traffic traffic = {};

                assert_int_equal(traffic_add(&traffic, true, T0_USEC, i, 1), 0);
                assert_int_equal(dimensions_merge(dimensions, &values, &traffic), 0);
                traffic_done(&traffic);
        }
        assert_int_equal(dimensions_rank(dimensions, DIMENSION_REMOTE, QUERY(T0_USEC + USEC, 5), &rows, &n),
                         0);
        assert_int_equal(n, 4);
        assert_true(rows[0].others);
        assert_int_equal(rows[0].window.out, 9);
        assert_int_equal(rows[1].key.remote.s6_addr[15], 3);
        for (size_t i = 0; i < n; i++)
                sum += rows[i].window.out;
        assert_int_equal(sum, 15);
        free(rows);
        assert_int_equal(dimensions_rank(dimensions, DIMENSION_PROTOCOL,
                                         QUERY(T0_USEC + USEC, 5, .sort = RANK_BY_OUT, .limit = 1), &rows,
                                         &n),
                         0);
        assert_int_equal(n, 1);
        assert_int_equal(rows[0].key.number, IPPROTO_TCP);
        assert_int_equal(rows[0].window.out, 9);
        free(rows);

        for (uint32_t i = 0; i < 3;
             i++) { /* one that had only that, one that had others as well, and what had no room */
                const struct dimension_values values = {.ifindex = i == 0 ? 1 : 2,
                                                        .remote = test_ipv4((uint8_t) (i * 3)),
                                                        .protocol = IPPROTO_UDP,
                                                        .loopback = true};
                struct sample sample = test_sample(test_key(1, 1, 1, 2, IPPROTO_UDP), DIRECTION_OUT, 100, 0);

                sample.loopback = true;
                assert_int_equal(dimensions_add(dimensions, &values, &sample, true), 0);
        }
        for (enum dimension dimension = 0; dimension < DIMENSION_MAX; dimension++)
                for (int without = 0; without < 2; without++) {
                        assert_int_equal(dimensions_rank(dimensions, dimension,
                                                         &(struct rank_query){.now_usec = T0_USEC + USEC,
                                                                              .recent = 5,
                                                                              .without_loopback = without},
                                                         &rows, &n),
                                         0);
                        sum = 0;
                        for (size_t i = 0; i < n; i++) {
                                sum += rows[i].window.out;
                                assert_int_equal(rows[i].window.out, rows[i].traffic->out);
                                assert_false(without && dimension == DIMENSION_INTERFACE &&
                                             rows[i].key.number == 1);
                        }
                        assert_int_equal(sum, without ? 15 : 315);
                        free(rows);
                }

        dimensions_expire(dimensions, T0_USEC + 400 * USEC);
        assert_int_equal(dimensions_rank(dimensions, DIMENSION_INTERFACE,
                                         QUERY(T0_USEC + 400 * USEC, 5, .sort = RANK_BY_IN), &rows, &n),
                         0);
        assert_int_equal(n, 0);
        free(rows);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_app_names),       cmocka_unit_test(test_apps),
                cmocka_unit_test(test_units_and_users), cmocka_unit_test(test_groups_without_loopback),
                cmocka_unit_test(test_dimensions),
        };

        return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
