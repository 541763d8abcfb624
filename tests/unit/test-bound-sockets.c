/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <sys/resource.h>
#include <unistd.h>

#include "owner/bound_sockets.h"
#include "support/test.h"
#include "util/clock.h"
#include "util/macros.h"

/* Real sockets in a network namespace of the test's own. */

struct world {
        struct sock_diag *diag;
        struct bound_sockets *bound;
        uint64_t now_usec, lists;
};

static int set_up(void **state) {
        struct world *world;

        SKIP_UNLESS_ROOT();
        test_enter_namespace();
        world = calloc(1, sizeof(*world));
        assert_int_equal(sock_diag_new(&world->diag), 0);
        assert_int_equal(bound_sockets_new("/proc", &world->bound), 0);
        *state = world;
        return 0;
}

static int tear_down(void **state) {
        struct world *world = *state;

        bound_sockets_free(world->bound);
        sock_diag_free(world->diag);
        free(world);
        return 0;
}

static int bound(int family, uint16_t port) {
        const struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        const struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0), yes = 1;

        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
        assert_int_equal(bind(fd, family == AF_INET ? (const struct sockaddr *) &address4 : (const struct sockaddr *) &address,
                              family == AF_INET ? sizeof(address4) : sizeof(address)),
                         0);
        return fd;
}

/* How many sockets there are on that port, all of which are on it. */
static int find(struct world *world, uint32_t network, uint8_t protocol, uint16_t port) {
        struct socket_info sockets[8];
        int n;

        n = bound_sockets_find(world->bound, world->diag, network, protocol, port, world->now_usec, sockets,
                               ELEMENTSOF(sockets), &world->lists);
        for (int i = 0; i < n && i < (int) ELEMENTSOF(sockets); i++) {
                assert_int_equal(sockets[i].local_port, port);
                assert_true(sockets[i].cookie != 0 && sockets[i].inode != 0);
        }
        return n;
}

static int find_udp(struct world *world, uint16_t port) {
        return find(world, 0, IPPROTO_UDP, port);
}

/* However many ports are asked about at one time, the answer is that for one. */
static void test_listed_once(void **state) {
        struct world *world = *state;
        int fds[40];

        for (uint16_t i = 0; i < 40; i++)
                fds[i] = bound(i % 2 ? AF_INET : AF_INET6, (uint16_t) (6000 + i % 20)); /* two on each */
        for (int round = 0; round < 2; round++) {
                world->now_usec++;
                world->lists = 0;
                for (uint16_t port = 6000; port < 6020; port++)
                        assert_int_equal(find_udp(world, port), 2);
                assert_int_equal(find_udp(world, 5999), 0);
                assert_int_equal(find_udp(world, 6020), 0);
                assert_int_equal(world->lists, 2); /* one of a port, one of all */
        }

        /* what was listed is as old as that */
        close(fds[0]);
        assert_int_equal(find_udp(world, 6000), 2);
        world->now_usec++;
        assert_int_equal(find_udp(world, 6000), 1);
        assert_int_equal(find_udp(world, 6000), 1);
        /* and of that protocol and network only */
        assert_int_equal(find(world, 0, IPPROTO_UDPLITE, 6000), 0);
        world->lists = 0;
        assert_int_equal(find(world, 1, IPPROTO_UDP, 6001), 2);
        assert_int_equal(world->lists, 1);
        for (size_t i = 1; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
}

/* Of more than fit, some are told and all are counted, whichever way they were found. */
static void test_more_than_fit(void **state) {
        struct world *world = *state;
        int fds[20];

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = bound(AF_INET, 6100);
        for (int i = 0; i < 4; i++)
                assert_int_equal(find_udp(world, 6100), ELEMENTSOF(fds));
        assert_int_equal(world->lists, 2);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
}

/* A list of all is worth while when that many ports are asked about, and not before. */
static void test_as_many_as_it_is_worth(void **state) {
        struct world *world = *state;
        int fds[400];

        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = bound(AF_INET, (uint16_t) (6200 + i));
        for (uint16_t i = 0; i < 4; i++)
                assert_int_equal(find_udp(world, 6200 + i), 1);
        assert_int_equal(world->lists, 4);
        for (uint16_t i = 0; i < 100; i++)
                assert_int_equal(find_udp(world, 6200 + i), 1);
        assert_int_equal(world->lists, 5);

        /* most are gone: it is seen after a second that there are not so many */
        for (size_t i = 10; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
        world->now_usec += USEC_PER_SEC;
        world->lists = 0;
        for (uint16_t i = 0; i < 10; i++)
                assert_int_equal(find_udp(world, 6200 + i), 1);
        assert_int_equal(world->lists, 2);
        assert_int_equal(find_udp(world, 0), 0);
        assert_int_equal(find_udp(world, 0), 0);
        for (size_t i = 0; i < 10; i++)
                close(fds[i]);
}

/* More than there is room for are never told by half. */
static void test_too_many(void **state) {
        static int fds[BOUND_SOCKETS_MAX + 10];
        const struct rlimit enough = {.rlim_cur = 2 * ELEMENTSOF(fds), .rlim_max = 2 * ELEMENTSOF(fds)};
        struct world *world = *state;

        assert_int_equal(setrlimit(RLIMIT_NOFILE, &enough), 0);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = bound(AF_INET, (uint16_t) (10000 + i));
        for (int round = 0; round < 2; round++) {
                world->now_usec++;
                for (uint16_t i = 0; i < 80; i++)
                        assert_int_equal(find_udp(world, (uint16_t) (14000 + i)), 1);
        }
        assert_int_equal(world->lists, 2 * 80);
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                close(fds[i]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_listed_once),
                TEST(test_more_than_fit),
                TEST(test_as_many_as_it_is_worth),
                TEST(test_too_many),
        };

        return cmocka_run_group_tests_name("bound-sockets", tests, NULL, NULL);
}
