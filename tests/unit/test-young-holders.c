/* SPDX-License-Identifier: MIT */
#include <unistd.h>

#include "support/holders_world.h"
#include "support/test.h"

static enum owner_status find_young(struct world *world, uint64_t inode, uint32_t *ret_pid) {
        struct process_info info = {};
        enum owner_status status;

        world->now_usec += 100;
        status = socket_holders_find_young(world->holders, inode, SEARCH_ALL, world->now_usec, &info);
        *ret_pid = info.id.pid;
        return status;
}

/* A new socket is found in the youngest process, and never under the number of a thread of it, which is younger
 * still. */
static void test_young(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 30, 1, 5);
        set_status(world, 30, 30);
        set_fd(world, 30, 3, 100);
        add_process(world, 31, 1, 5);
        set_status(world, 31, 30);
        set_fd(world, 31, 3, 100);
        set_last_pid(world, 31);
        assert_int_equal(find_young(world, 100, &pid), OWNER_FOUND);
        assert_int_equal(pid, 30);
        assert_int_equal(find_young(world, 101, &pid), OWNER_NO_PROCESS);
}

/* An old one is found in its turn, and from then on at once. */
static void test_young_in_turn(void **state) {
        struct owner_stats stats = {};
        struct world *world = *state;
        uint64_t scans;
        uint32_t pid;
        int asked = 0;

        for (uint32_t i = 10; i < 60; i++)
                add_process(world, i, 1, 5);
        set_last_pid(world, 5000);
        set_fd(world, 10, 3, 100);
        while (find_young(world, 100, &pid) != OWNER_FOUND) {
                world->now_usec += 1000000;
                assert_true(++asked < 50);
        }
        assert_true(asked > 0);
        assert_int_equal(pid, 10);
        socket_holders_stats(world->holders, &stats);
        scans = stats.candidate_scans;
        set_fd(world, 10, 4, 101);
        assert_int_equal(find_young(world, 101, &pid), OWNER_FOUND);
        assert_int_equal(pid, 10);
        stats = (struct owner_stats){};
        socket_holders_stats(world->holders, &stats);
        assert_int_equal(stats.candidate_scans, scans + 1);
        assert_int_equal(stats.full_scans, 0);
}

/* One whose sockets are gone before its turn comes shows by having others each time. */
static void test_young_mover(void **state) {
        struct world *world = *state;
        uint32_t pid;

        for (uint32_t i = 10; i < 60; i++)
                add_process(world, i, 1, 5);
        set_last_pid(world, 5000);
        set_fd(world, 10, 3, 100);
        for (uint32_t i = 0; i < 100; i++) {
                world->now_usec += 1000000;
                close_fd(world, 10, 3);
                set_fd(world, 10, 3, 1000 + i);
                assert_int_equal(find_young(world, 5, &pid), OWNER_NO_PROCESS);
        }
        close_fd(world, 10, 3);
        set_fd(world, 10, 3, 2000);
        assert_int_equal(find_young(world, 2000, &pid), OWNER_FOUND);
        assert_int_equal(pid, 10);
}

/* Who holds a listening socket, one of several, is looked at first from then on. */
static void test_young_servers(void **state) {
        const uint64_t listeners[] = {70, 71};
        struct world *world = *state;
        uint32_t pid;

        for (uint32_t i = 10; i < 60; i++)
                add_process(world, i, 1, 5);
        set_last_pid(world, 5000);
        set_fd(world, 50, 6, 70);
        set_fd(world, 51, 6, 70);
        set_fd(world, 52, 6, 71);
        assert_int_equal(find_young(world, 5, &pid), OWNER_NO_PROCESS); /* lists them, for their turns */
        socket_holders_meet(world->holders, listeners, 2, world->now_usec);
        for (uint32_t i = 0; i < 3; i++) {
                set_fd(world, 50 + i, 7, 100 + i);
                assert_int_equal(find_young(world, 100 + i, &pid), OWNER_FOUND);
                assert_int_equal(pid, 50 + i);
        }
        set_fd(world, 53, 6, 70); /* too soon to look again */
        socket_holders_meet(world->holders, listeners, 2, world->now_usec);
        set_fd(world, 53, 7, 200);
        assert_int_equal(find_young(world, 200, &pid), OWNER_NO_PROCESS);
}

/* A socket that came to a process since all of its were read is not its parent's, who need not be asked; one that it
 * began with may be, whatever was read of who had its number before. */
static void test_young_own(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 40, 1, 5);
        set_status(world, 40, 40);
        add_process(world, 41, 40, 7);
        set_status(world, 41, 41);
        set_last_pid(world, 41);
        set_fd(world, 40, 3, 100);
        set_fd(world, 41, 3, 100);
        set_fd(world, 41, 4, 101);
        assert_int_equal(find_young(world, 101, &pid), OWNER_FOUND);
        assert_int_equal(pid, 41);
        assert_int_equal(find_young(world, 100, &pid), OWNER_SHARED);

        set_fd(world, 41, 4, 102); /* where the one before was */
        set_fd(world, 41, 5, 103);
        for (uint64_t inode = 102; inode < 104; inode++) {
                assert_int_equal(find_young(world, inode, &pid), OWNER_FOUND);
                assert_int_equal(pid, 41);
        }

        add_process(world, 41, 40, 9);
        set_last_pid(world, 39);
        set_fd(world, 41, 6, 104);
        set_fd(world, 41, 7, 105);
        assert_int_equal(find_young(world, 104, &pid), OWNER_FOUND); /* reads all of its */
        world->now_usec++;
        set_fd(world, 40, 4, 105);
        assert_int_equal(find_young(world, 105, &pid), OWNER_SHARED);
}

/* What a child has with its parent is not its own: one of several that inherited it, when another has closed it; or one
 * that shares the table of descriptors. */
static void test_young_inherited(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 40, 1, 5);
        set_status(world, 40, 40);
        set_fd(world, 40, 3, 100);
        for (uint32_t child = 41; child < 43; child++) {
                add_process(world, child, 40, 7);
                set_status(world, child, child);
                set_fd(world, child, 3, 100);
                set_fd(world, child, 4, 60 + child);
                set_last_pid(world, child);
                assert_int_equal(find_young(world, 60 + child, &pid), OWNER_FOUND);
                assert_int_equal(pid, child);
        }
        close_fd(world, 41, 3);
        world->now_usec++;
        assert_int_equal(find_young(world, 100, &pid), OWNER_SHARED);

        assert_int_equal(find_young(world, 102, &pid), OWNER_FOUND); /* reads all of its */
        set_fd(world, 40, 5, 110);
        set_fd(world, 42, 5, 110);
        assert_int_equal(find_young(world, 110, &pid), OWNER_SHARED);
}

/* As an epoll(7) instance of a process, which waits for these sockets, shows. */
static void set_epoll(const struct world *world, uint32_t pid, uint32_t epoll, const uint32_t *fds, const uint64_t *inodes,
                      size_t n) {
        char path[64], text[4096] = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1057\n";

        (void) snprintf(path, sizeof(path), "%u/fd/%u", pid, epoll);
        test_link(world->root, path, "anon_inode:[eventpoll]");
        for (size_t i = 0; i < n; i++) {
                size_t length = strlen(text);

                (void) snprintf(text + length, sizeof(text) - length,
                                "tfd: %8u events: %8x data: %16llx  pos:0 ino:%lx sdev:8\n", fds[i], 0x2001u, 5ULL,
                                (unsigned long) inodes[i]);
        }
        (void) snprintf(path, sizeof(path), "%u/fdinfo/%u", pid, epoll);
        test_write(world->root, path, text);
}

static uint64_t scans(const struct world *world) {
        struct owner_stats stats = {};

        socket_holders_stats(world->holders, &stats);
        return stats.candidate_scans;
}

/* A process that comes by one socket after the other, and while nothing starts: what it waits for tells of them, without its
 * descriptors being read for each. */
static void settle(struct world *world) {
        const uint32_t fds[] = {3};
        const uint64_t inodes[] = {100};
        uint32_t pid;

        add_process(world, 40, 1, 5);
        set_status(world, 40, 40);
        set_last_pid(world, 40);
        set_epoll(world, 40, 9, fds, inodes, 1);
        for (uint64_t inode = 100; inode < 106; inode++) {
                set_fd(world, 40, 3, inode);
                assert_int_equal(find_young(world, inode, &pid), OWNER_FOUND);
                assert_int_equal(pid, 40);
        }
}

static void test_young_epoll(void **state) {
        const uint32_t fds[] = {3, 4, 5};
        const uint64_t inodes[] = {200, 201, 202};
        struct world *world = *state;
        uint64_t before;
        uint32_t pid;

        settle(world);
        before = scans(world);
        set_epoll(world, 40, 9, fds, inodes, 3);
        for (size_t i = 0; i < 3; i++) {
                set_fd(world, 40, fds[i], inodes[i]);
                assert_int_equal(find_young(world, inodes[i], &pid), OWNER_FOUND);
                assert_int_equal(pid, 40);
        }
        assert_int_equal(scans(world), before);

        /* it waits for what another process has, and that under no such number */
        add_process(world, 41, 1, 6);
        set_status(world, 41, 41);
        set_last_pid(world, 41);
        set_epoll(world, 40, 9, (uint32_t[]){4}, (uint64_t[]){300}, 1);
        set_fd(world, 41, 7, 300);
        assert_int_equal(find_young(world, 300, &pid), OWNER_FOUND);
        assert_int_equal(pid, 41);
}

/* What has started since may have inherited any of them. */
static void test_young_forked(void **state) {
        struct world *world = *state;
        uint32_t pid;

        settle(world);
        set_epoll(world, 40, 9, (uint32_t[]){4}, (uint64_t[]){200}, 1);
        set_fd(world, 40, 4, 200);
        add_process(world, 41, 40, 6);
        set_fd(world, 41, 4, 200);
        test_write(world->root, "40/task/40/children", "41 ");
        set_last_pid(world, 41);
        assert_int_equal(find_young(world, 200, &pid), OWNER_SHARED);
}

/* Whatever was looked at since it started: its parent may settle once more. One socket was known before, the other not. */
static void test_young_forked_before(void **state) {
        struct world *world = *state;
        uint32_t pid;

        settle(world);
        set_fd(world, 40, 4, 200);
        assert_int_equal(find_young(world, 200, &pid), OWNER_FOUND);
        set_fd(world, 40, 3, 299);
        assert_int_equal(find_young(world, 299, &pid), OWNER_FOUND);
        set_fd(world, 40, 5, 201);
        add_process(world, 41, 40, 6);
        set_status(world, 41, 41);
        set_fd(world, 41, 4, 200);
        set_fd(world, 41, 5, 201);
        test_write(world->root, "40/task/40/children", "41 ");
        set_last_pid(world, 41);
        for (uint64_t inode = 300; inode < 306; inode++) {
                set_fd(world, 40, 3, inode);
                assert_int_equal(find_young(world, inode, &pid), OWNER_FOUND);
        }
        assert_int_equal(find_young(world, 200, &pid), OWNER_SHARED);
        assert_int_equal(find_young(world, 201, &pid), OWNER_SHARED);
}

/* Between two questions of one moment, too. */
static void test_young_forked_meanwhile(void **state) {
        struct world *world = *state;
        uint32_t pid;

        settle(world);
        set_fd(world, 40, 3, 200);
        assert_int_equal(find_young(world, 200, &pid), OWNER_FOUND);
        set_fd(world, 40, 3, 201);
        add_process(world, 41, 40, 6);
        set_fd(world, 41, 3, 201);
        test_write(world->root, "40/task/40/children", "41 ");
        set_last_pid(world, 41);
        world->now_usec -= 100;
        assert_int_equal(find_young(world, 201, &pid), OWNER_SHARED);
}

/* Handed on to a child, or by its parent, that was there before: nothing starts with that. */
static void test_young_handed_on(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 39, 1, 4);
        add_process(world, 41, 40, 6);
        test_write(world->root, "40/task/40/children", "41 ");
        settle(world);
        set_fd(world, 40, 3, 200);
        set_fd(world, 41, 3, 200);
        assert_int_equal(find_young(world, 200, &pid), OWNER_SHARED);

        test_write(world->root, "40/task/40/children", "");
        add_process(world, 40, 39, 5);
        for (uint64_t inode = 300; inode < 306; inode++) {
                set_fd(world, 40, 3, inode);
                assert_int_equal(find_young(world, inode, &pid), OWNER_FOUND);
        }
        set_fd(world, 40, 3, 306);
        set_fd(world, 39, 3, 306);
        assert_int_equal(find_young(world, 306, &pid), OWNER_SHARED);
}

/* It has left the number under which it was seen twice, and has another: it is nobody else's now. */
static void test_young_shared_once(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 40, 1, 5);
        set_status(world, 40, 40);
        add_process(world, 41, 40, 6);
        set_status(world, 41, 41);
        test_write(world->root, "40/task/40/children", "41 ");
        set_last_pid(world, 41);
        set_fd(world, 40, 3, 100);
        set_fd(world, 41, 3, 100);
        assert_int_equal(find_young(world, 100, &pid), OWNER_SHARED);
        close_fd(world, 41, 3);
        close_fd(world, 40, 3);
        set_fd(world, 40, 4, 100);
        world->now_usec += 1000;
        assert_int_equal(find_young(world, 100, &pid), OWNER_FOUND);
        assert_int_equal(pid, 40);
}

/* One that has more sockets than are read is not read for each that it is found with. */
static void test_young_large(void **state) {
        struct world *world = *state;
        const struct owner_config config = {.proc_root = world->root, .max_sockets = 4096};
        uint64_t before;
        uint32_t pid;

        socket_holders_free(world->holders);
        assert_int_equal(socket_holders_new(&config, &world->holders), 0);
        add_process(world, 40, 1, 5);
        set_status(world, 40, 40);
        set_last_pid(world, 40);
        for (uint32_t i = 0; i < 600; i++)
                set_fd(world, 40, 100 + i, 10000 + i);
        for (uint64_t inode = 100; inode < 160; inode++) {
                set_fd(world, 40, 3, inode);
                (void) find_young(world, inode, &pid);
                if (inode == 110)
                        before = scans(world);
        }
        assert_int_equal(scans(world), before);
}

static void test_young_let_go(void **state) {
        struct letting_go letting_go;
        struct world *world = *state;
        uint32_t pid;

        have_child(world);
        test_write(world->root, "40/task/40/children", "41 ");
        begin_to_let_go(world, 41, 3, &letting_go);
        assert_int_equal(find_young(world, 100, &pid), OWNER_NO_PROCESS);
        (void) pthread_join(letting_go.thread, NULL);
        assert_int_equal(unlink(letting_go.path), 0);
        set_fd(world, 40, 5, 300);
        set_fd(world, 41, 5, 300);
        assert_int_equal(find_young(world, 300, &pid), OWNER_SHARED);
}

/* The table has room for 100, and makes it again. */
static void test_young_bounded(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 10, 1, 5);
        set_status(world, 10, 10);
        set_last_pid(world, 10);
        for (uint32_t i = 0; i < 350; i++) {
                set_fd(world, 10, i % 70, 1000 + i);
                assert_int_equal(find_young(world, 1000 + i, &pid), OWNER_FOUND);
                assert_int_equal(pid, 10);
                close_fd(world, 10, i % 70);
        }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_set_up, world_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_young),
                TEST(test_young_in_turn),
                TEST(test_young_mover),
                TEST(test_young_servers),
                TEST(test_young_own),
                TEST(test_young_inherited),
                TEST(test_young_epoll),
                TEST(test_young_forked),
                TEST(test_young_forked_before),
                TEST(test_young_forked_meanwhile),
                TEST(test_young_handed_on),
                TEST(test_young_shared_once),
                TEST(test_young_large),
                TEST(test_young_let_go),
                TEST(test_young_bounded),
        };

        return cmocka_run_group_tests_name("young-holders", tests, NULL, NULL);
}
