/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <unistd.h>

#include "owner/proc_file.h"
#include "owner/process_reader.h"
#include "owner/users.h"
#include "support/test.h"
#include "util/clock.h"

#define STAT_TAIL "1 4242 4242 0 -1 4194304 100 0 0 0 1 2 0 0 20 0 1 0 987654 1000000 200 0 0 0"

static void assert_stat(const char *text, const char *name, char state_letter) {
        struct process_info info;

        assert_int_equal(parse_proc_stat(text, strlen(text), &info), 0);
        assert_int_equal(info.id.pid, 4242);
        assert_int_equal(info.id.start_ticks, 987654);
        assert_string_equal(info.name, name);
        assert_int_equal(info.state, state_letter);
}

/* A process may call itself anything: its name ends at the last parenthesis, wherever it says it does. */
static void test_stat(void **state) {
        static const char *const bad[] = {
                "",
                "4242",
                "4242 (a",
                "4242 (a)",
                "4242 (a) S",
                "4242 (a) S 1 2 3",
                "x (a) S " STAT_TAIL,
                "4242 a) S " STAT_TAIL,
                ")(",
                "0 (a) S " STAT_TAIL,
                "99999999999 (a) S " STAT_TAIL,
        };
        struct process_info info;

        (void) state;
        assert_stat("4242 (curl) S " STAT_TAIL, "curl", 'S');
        assert_stat("4242 (a) S 1 2 3) R " STAT_TAIL, "a) S 1 2 3", 'R');
        assert_stat("4242 (two words) D " STAT_TAIL, "two words", 'D');
        assert_stat("4242 () Z " STAT_TAIL, "", 'Z');
        assert_stat("4242 (a\nb) S " STAT_TAIL, "a\nb", 'S');
        assert_stat("4242 (longer-than-the-kernel-allows) S " STAT_TAIL, "longer-than-the", 'S');
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_proc_stat(bad[i], strlen(bad[i]), &info), -EBADMSG);
}

/* Every prefix, in a block of just its size. */
static void test_stat_prefixes(void **state) {
        static const char text[] = "4242 (a) S) S " STAT_TAIL;
        struct process_info info;

        (void) state;
        for (size_t length = 0; length < sizeof(text); length++) {
                char *block = malloc(length ?: 1);

                memcpy(block, text, length);
                (void) parse_proc_stat(block, length, &info);
                free(block);
        }
}

static void assert_cgroup(const char *text, const char *path) {
        char *got = NULL;

        assert_int_equal(parse_proc_cgroup(text, strlen(text), &got), path ? 0 : -ENODATA);
        if (path)
                assert_string_equal(got, path);
        free(got);
}

static void test_cgroup(void **state) {
        char *path;

        (void) state;
        assert_cgroup("0::/system.slice/a.service\n", "/system.slice/a.service");
        assert_cgroup("4:memory:/x\n1:name=systemd:/user.slice\n0::/\n", "/user.slice"); /* hybrid */
        assert_cgroup("1:name=systemd:/b\n0::/a\n", "/a");
        assert_cgroup("0::/", "/");
        assert_cgroup("0::/with:colon\n", "/with:colon");
        assert_cgroup("0::/a.service (deleted)\n", "/a.service");
        assert_cgroup("", NULL);
        assert_cgroup("9:cpu,cpuacct:/x\n", NULL);
        assert_cgroup("garbage\n::\n", NULL);
        assert_int_equal(parse_proc_cgroup("0::x\n", 5, &path), -EBADMSG);
}

static void test_socket_link(void **state) {
        static const char *const bad[] = {
                "",           "socket:[",     "socket:[]",
                "socket:[12", "socket:[12]x", "socket:[1x]",
                "pipe:[12]",  "/dev/null",    "socket:[99999999999999999999999]",
        };
        uint64_t inode;

        (void) state;
        assert_int_equal(parse_socket_link("socket:[12345]", 14, &inode), 0);
        assert_int_equal(inode, 12345);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_socket_link(bad[i], strlen(bad[i]), &inode), -EBADMSG);
}

static void test_epoll_target(void **state) {
        static const char *const bad[] = {
                "", "pos:\t0", "tfd:", "tfd: x events: 1 ino:1 sdev:8", "tfd: 5 events: 1 data: 5 pos:0", "tfd: 5 ino:",
                "tfd: 5 ino: sdev:8", "tfd: 5 ino:1", "tfd: 4294967296 ino:1 sdev:8", "tfd: 5 ino:11112222333344445 sdev:8",
        };
        uint64_t inode = 1;
        uint32_t fd = 1;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_epoll_target(bad[i], &fd, &inode), -EBADMSG);
        assert_true(fd == 1 && inode == 1);
        assert_int_equal(parse_epoll_target("tfd:        5 events:     2001 data:                5  pos:0 ino:1e4b8f sdev:8",
                                            &fd, &inode),
                         0);
        assert_true(fd == 5 && inode == 0x1e4b8f);
}

/* Numbers that the end of the text, or of what was read of it, cuts off are none. */
static void test_numbers(void **state) {
        uint32_t children[2], number;
        uid_t uid;

        (void) state;
        assert_int_equal(parse_proc_children("7 8 9", 5, children, 2), 2);
        assert_int_equal(children[1], 8);
        assert_int_equal(parse_proc_children("7 8", 3, children, 2), 1);
        assert_int_equal(parse_proc_children("4294967296 ", 11, children, 2), 0);
        assert_int_equal(parse_loadavg("0.00 0.01 0.05 1/100 10\n", 24, &number), 0);
        assert_int_equal(number, 10);
        assert_int_equal(parse_loadavg("0.00 0.01 0.05 1/100 10", 23, &number), -EBADMSG);
        assert_int_equal(parse_loadavg("0.00 0.01 0.05 1/100 0\n", 23, &number), -EBADMSG);
        assert_int_equal(parse_proc_uid("Uid:\t1\t2\n", 9, &uid), -ENODATA);
        assert_int_equal(parse_proc_uid("\nUid:\t1", 7, &uid), -EBADMSG);
        assert_int_equal(parse_proc_parent("1 (a) S 4294967296 ", 19, &number), -EBADMSG);
}

static void test_read_process(void **state) {
        char *root = test_directory();
        uint64_t *inodes = NULL;
        struct process_info info;
        size_t n;

        (void) state;
        test_write(root, "4242/stat", "4242 (name) S " STAT_TAIL);
        test_write(root, "4242/status", "Name:\tname\\nUid:\t7\nUmask:\t0\nUid:\t1\t1000\t2\t3\n");
        test_write(root, "4242/cgroup", "0::/system.slice/a.service\n");
        test_link(root, "4242/exe", "/usr/bin/name");
        for (int fd = 0; fd < 4; fd++) {
                static const char *const links[] = {"socket:[30]", "/dev/null", "socket:[10]",
                                                    "socket:[30]"};
                char path[32];

                (void) snprintf(path, sizeof(path), "4242/fd/%d", fd);
                test_link(root, path, links[fd]);
        }

        assert_int_equal(process_read(root, 4242, &info), 0);
        assert_string_equal(info.exe, "/usr/bin/name");
        assert_string_equal(info.unit, "a.service");
        assert_true(info.uid_known);
        assert_int_equal(info.uid, 1000); /* the effective one */
        process_info_done(&info);
        assert_int_equal(process_read_socket_inodes(root, 4242, &inodes, &n), 0);
        assert_int_equal(n, 2); /* from descriptor 0 on, each socket once */
        assert_int_equal(inodes[0], 10);
        assert_int_equal(inodes[1], 30);
        free(inodes);
        test_remove(root);
}

/* What is missing is left out; a process that is gone is just that. */
static void test_read_what_vanishes(void **state) {
        char *root = test_directory();
        struct process_info info;
        uint64_t *inodes;
        size_t n;

        (void) state;
        assert_int_equal(process_read(root, 4242, &info), -ESRCH);
        assert_int_equal(process_read_stat(root, 4242, &info), -ESRCH);
        assert_int_equal(process_read_socket_inodes(root, 4242, &inodes, &n), -ESRCH);
        test_write(root, "4242/stat", "4242 (name) S " STAT_TAIL);
        assert_int_equal(process_read(root, 4242, &info), 0);
        assert_null(info.exe);
        assert_null(info.unit);
        assert_false(info.uid_known);
        process_info_done(&info);
        test_write(root, "4242/stat", "nonsense");
        assert_int_equal(process_read(root, 4242, &info), -EBADMSG);
        test_remove(root);
}

static void test_read_ourselves(void **state) {
        struct process_info info;

        (void) state;
        assert_int_equal(process_read("/proc", (uint32_t) getpid(), &info), 0);
        assert_int_equal(info.id.pid, getpid());
        assert_int_equal(info.uid, geteuid());
        assert_non_null(strstr(info.exe, "test-process-reader"));
        process_info_done(&info);
}

static void test_users(void **state) {
        char *root = test_directory(), path[512];
        struct users *users;
        uint64_t now = 1000000;

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/passwd", root);
        assert_int_equal(users_new(path, &users), 0);
        assert_null(users_name(users, 0, now)); /* no file */
        test_write(root, "passwd",
                   "root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\nnonsense\nann:x:1000:1000::/:/bin/sh\n");
        assert_null(users_name(users, 0, now + USEC_PER_SEC - 1)); /* it is not looked at all the time */
        now += USEC_PER_SEC;
        assert_string_equal(users_name(users, 0, now), "root");
        assert_string_equal(users_name(users, 1000, now), "ann");
        assert_null(users_name(users, 1001, now));
        test_write(root, "passwd", "\xe9ve:x:1002:1002::/:/bin/sh\n"); /* D-Bus refuses what is no UTF-8 */
        assert_string_equal(users_name(users, 1002, now += USEC_PER_SEC), "?ve");
        test_write(root, "passwd", "bob:x:1001:1001::/:/bin/sh\n");
        assert_null(users_name(users, 1001, now));
        assert_string_equal(users_name(users, 1001, now += USEC_PER_SEC), "bob");
        assert_null(users_name(users, 1000, now));
        users_free(users);
        test_remove(root);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stat),
                cmocka_unit_test(test_stat_prefixes),
                cmocka_unit_test(test_cgroup),
                cmocka_unit_test(test_socket_link),
                cmocka_unit_test(test_epoll_target),
                cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_read_process),
                cmocka_unit_test(test_read_what_vanishes),
                cmocka_unit_test(test_read_ourselves),
                cmocka_unit_test(test_users),
        };

        return cmocka_run_group_tests_name("process-reader", tests, NULL, NULL);
}
