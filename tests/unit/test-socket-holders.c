/* SPDX-License-Identifier: MIT */
#include "support/holders_world.h"
#include "support/test.h"

static enum owner_status find(struct world *world, uint64_t inode, uint32_t *ret_pid) {
        struct process_id process = {};
        enum owner_status status;

        world->now_usec += 100000;
        status = socket_holders_find(world->holders, inode, world->now_usec, &process);
        *ret_pid = process.pid;
        return status;
}

/* A socket of a known process is found at once, whatever its descriptor; an unknown one needs a walk and
 * then is nobody's. */
static void test_found_and_not_found(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 10, 1, 5);
        set_fd(world, 10, 0, 100); /* descriptors 0 to 2 count too */
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        assert_int_equal(pid, 10);
        set_fd(world, 10, 7, 101); /* opened since: its process is a likely one */
        assert_int_equal(find(world, 101, &pid), OWNER_FOUND);
        assert_int_equal(find(world, 999, &pid), OWNER_BUSY); /* the last walk was 200 ms ago */
        world->now_usec += 250000;
        assert_int_equal(find(world, 999, &pid), OWNER_NO_PROCESS);
}

/* A process that started since the last look is found without a walk. */
static void test_new_process_is_likely(void **state) {
        struct world *world = *state;
        struct owner_stats stats = {};
        uint32_t pid;
        uint64_t walks;

        add_process(world, 10, 1, 5);
        set_fd(world, 10, 3, 100);
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        socket_holders_stats(world->holders, &stats);
        walks = stats.full_scans;
        add_process(world, 11, 10, 6);
        set_fd(world, 11, 3, 200);
        assert_int_equal(find(world, 200, &pid), OWNER_FOUND);
        assert_int_equal(pid, 11);
        stats = (struct owner_stats){};
        socket_holders_stats(world->holders, &stats);
        assert_int_equal(stats.full_scans, walks);
}

/* A worker found as a likely holder is not the only one when its parent, or its child, has the socket as
 * well. */
static void test_shared_with_relatives(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 10, 1, 5);
        assert_int_equal(find(world, 1, &pid), OWNER_NO_PROCESS);
        set_fd(world, 10, 3, 100);
        add_process(world, 11, 10, 6);
        set_fd(world, 11, 0, 100); /* inherited, and moved to standard input */
        assert_int_equal(find(world, 100, &pid), OWNER_SHARED);

        close_fd(world, 10, 3); /* the parent closes its copy */
        world->now_usec += 250000;
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        assert_int_equal(pid, 11);

        set_fd(world, 11, 4, 101);
        test_write(world->root, "11/task/11/children", "12 ");
        add_process(world, 12, 11, 7);
        set_fd(world, 12, 4, 101);
        assert_int_equal(find(world, 101, &pid), OWNER_SHARED);
}

/* systemd keeps the sockets of the services it activates, and does not use them. */
static void test_init_does_not_share(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 1, 0, 1);
        set_fd(world, 1, 50, 100);
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        assert_int_equal(pid, 1);
        add_process(world, 20, 1, 9);
        set_fd(world, 20, 3, 100);
        world->now_usec += 6000000; /* time for a walk of maintenance */
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        assert_int_equal(pid, 20);
}

static bool confirm(struct world *world, uint64_t inode, uint32_t pid, uint64_t start) {
        struct process_id process = {.pid = pid, .start_ticks = start};

        world->now_usec += 100000;
        return socket_holders_confirm(world->holders, inode, &process, world->now_usec);
}

static void test_confirm(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 10, 1, 5);
        set_fd(world, 10, 3, 100);
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        assert_true(confirm(world, 100, 10, 5));
        end_process(world, 10); /* the pid is another process now, which even has the socket there */
        add_process(world, 10, 1, 8);
        set_fd(world, 10, 3, 100);
        assert_false(confirm(world, 100, 10, 5));
        assert_true(confirm(world, 100, 10, 8));
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        end_process(world, 10); /* and again, at the moment in which it is asked */
        add_process(world, 10, 1, 9);
        assert_false(confirm(world, 100, 10, 8));
        set_fd(world, 10, 3, 100);
        assert_false(confirm(world, 100, 10, 8));
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        assert_true(confirm(world, 100, 10, 9));
        set_fd(world, 10, 3, 101); /* the descriptor is another socket now */
        assert_false(confirm(world, 100, 10, 9));
}

/* A socket that came to be held by an unrelated process too (SCM_RIGHTS) is found out by the walk of
 * maintenance. */
static void test_maintenance_finds_the_shared(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 10, 1, 5);
        set_fd(world, 10, 3, 100);
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        add_process(world, 30, 1, 6);
        set_fd(world, 30, 9, 100);
        world->now_usec += 6000000;
        assert_false(confirm(world, 100, 10, 5));
        assert_int_equal(find(world, 100, &pid), OWNER_SHARED);
}

/* A process that starts with the socket makes it shared at once, whatever descriptor it has it under. */
static void test_start_shares(void **state) {
        struct world *world = *state;
        uint32_t pid;

        test_write(world->root, "loadavg", "0.00 0.01 0.05 1/100 10\n");
        add_process(world, 10, 1, 5);
        set_fd(world, 10, 3, 100);
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        assert_true(confirm(world, 100, 10, 5));
        test_write(world->root, "loadavg", "0.00 0.01 0.05 1/100 11\n");
        add_process(world, 11, 1, 6); /* its parent is gone already */
        set_fd(world, 11, 0, 100);
        assert_false(confirm(world, 100, 10, 5));
        assert_int_equal(find(world, 100, &pid), OWNER_SHARED);
}

/* While the newest process stays the same, /proc is not listed for every confirmation. */
static void test_nothing_started(void **state) {
        struct world *world = *state;
        struct owner_stats before = {}, after = {};
        uint32_t pid;

        test_write(world->root, "loadavg", "0.00 0.01 0.05 1/100 10\n");
        add_process(world, 10, 1, 5);
        set_fd(world, 10, 3, 100);
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        socket_holders_stats(world->holders, &before);
        for (int i = 0; i < 20; i++)
                assert_true(confirm(world, 100, 10, 5));
        socket_holders_stats(world->holders, &after);
        assert_int_equal(after.candidate_scans, before.candidate_scans);
        assert_int_equal(after.full_scans, before.full_scans);
}

/* More sockets than are remembered: nothing grows, and the one that is asked for is found all the same. */
static void test_bounded(void **state) {
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 10, 1, 5);
        for (uint32_t i = 0; i < 150; i++)
                set_fd(world, 10, 3 + i, 1000 + i);
        (void) find(world, 1000, &pid);
        add_process(world, 11, 1, 6);
        set_fd(world, 11, 3, 5000);
        world->now_usec += 250000;
        assert_int_equal(find(world, 5000, &pid), OWNER_FOUND);
        assert_int_equal(pid, 11);
        for (uint32_t i = 0; i < 150; i++) {
                world->now_usec += 250000;
                assert_int_equal(find(world, 1000 + i, &pid), OWNER_FOUND);
                assert_int_equal(pid, 10);
        }
}

static void test_let_go(void **state) {
        struct letting_go letting_go;
        struct world *world = *state;
        uint32_t pid;

        add_process(world, 40, 1, 5);
        assert_int_equal(find(world, 1, &pid), OWNER_NO_PROCESS);
        have_child(world);
        begin_to_let_go(world, 41, 3, &letting_go);
        assert_int_equal(find(world, 100, &pid), OWNER_FOUND);
        (void) pthread_join(letting_go.thread, NULL);
        assert_int_equal(pid, 40);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, world_set_up, world_tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_found_and_not_found),
                TEST(test_new_process_is_likely),
                TEST(test_shared_with_relatives),
                TEST(test_init_does_not_share),
                TEST(test_confirm),
                TEST(test_maintenance_finds_the_shared),
                TEST(test_start_shares),
                TEST(test_nothing_started),
                TEST(test_bounded),
                TEST(test_let_go),
        };

        return cmocka_run_group_tests_name("socket-holders", tests, NULL, NULL);
}
