/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owner/openings.h"
#include "support/loopback.h"
#include "support/test.h"
#include "util/clock.h"

/* Real connections, in a network namespace of the test's own. */

struct world {
        struct openings *openings;
        uint64_t now_usec; /* as openings are told */
        struct process_info opener;
        int n_openers;
};

static struct openings *new_openings(uint32_t max) {
        const struct openings_config config = {.proc_root = "/proc", .max = max, .max_sockets = 100};
        struct openings *openings;

        assert_int_equal(openings_new(&config, &openings), 0);
        return openings;
}

static int set_up(void **state) {
        struct world *world;

        SKIP_UNLESS_ROOT();
        test_enter_namespace();
        world = calloc(1, sizeof(*world));
        world->openings = new_openings(4);
        world->now_usec = clock_usec(CLOCK_MONOTONIC);
        *state = world;
        return 0;
}

static int tear_down(void **state) {
        struct world *world = *state;

        if (world)
                openings_free(world->openings);
        free(world);
        return 0;
}

static void on_opener(const struct process_info *info, void *userdata) {
        struct world *world = userdata;

        world->opener = *info;
        world->n_openers++;
}

static int look(struct world *world, uint64_t later_usec) {
        world->now_usec += later_usec;
        return openings_look(world->openings, world->now_usec, 100, on_opener, world);
}

/* No SYN has been sent since that is not read. */
static void read_all(struct world *world) {
        openings_read_until(world->openings, clock_usec(CLOCK_MONOTONIC) + 1000);
}

static void add(struct world *world, const struct flow_key *key, uint64_t syn_usec) {
        openings_add(world->openings, key, 0, syn_usec, world->now_usec);
}

/* Is it us who opened the connection of which packets of that time are asked about? */
static bool is_ours(struct world *world, const struct flow_key *key, uint64_t since_usec,
                    uint64_t until_usec) {
        const struct owner_question question = {
                .key = key, .since_usec = since_usec, .until_usec = until_usec};
        struct owner owner;

        read_all(world);
        if (!openings_find(world->openings, &question, &owner))
                return false;
        assert_int_equal(owner.process.pid, getpid());
        assert_true(owner.cookie != 0 && owner.inode != 0);
        return true;
}

/* It stays known when its socket is gone, for the packets that begin with its SYN and come within moments.
 */
static void test_client(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct loopback_end end = loopback_connect(0, listener);

        assert_int_equal(openings_due_usec(world->openings), UINT64_MAX);
        assert_int_equal(look(world, 0), 0);
        add(world, &end.key, T0_USEC);
        assert_int_equal(openings_due_usec(world->openings), world->now_usec);
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        assert_int_equal(look(world, 0), 1);
        assert_int_equal(world->n_openers, 1);
        assert_int_equal(world->opener.id.pid, getpid());
        assert_string_equal(world->opener.name, "test-openings");
        loopback_reset(end.fd);
        look(world, 1000000);
        assert_int_equal(openings_due_usec(world->openings), UINT64_MAX);
        assert_int_equal(world->n_openers, 1);

        assert_true(is_ours(world, &end.key, T0_USEC, T0_USEC + 100000));
        assert_true(is_ours(world, &end.key, T0_USEC + 300,
                            T0_USEC + 300)); /* another socket's stamp of the SYN */
        assert_true(is_ours(world, &end.key, T0_USEC - 300, T0_USEC));
        assert_false(is_ours(world, &end.key, T0_USEC - 2000, T0_USEC + 100)); /* begun before */
        assert_false(
                is_ours(world, &end.key, T0_USEC + 2000, T0_USEC + 2000)); /* or later: another, perhaps */
        assert_false(
                is_ours(world, &end.key, T0_USEC, T0_USEC + 1000000)); /* what is there now tells that */
        close(listener);
}

/* A server's end is nobody's until it is taken. */
static void test_server(void **state) {
        struct world *world = *state;
        int listener = loopback_listener(), accepted;
        struct loopback_end end = loopback_connect(0, listener);
        struct flow_key key = flow_key_reverse(&end.key);

        add(world, &key, T0_USEC);
        assert_int_equal(look(world, 0), 1);
        assert_int_equal(look(world, 60), 1);
        assert_int_equal(world->n_openers, 0);
        assert_false(is_ours(world, &key, T0_USEC, T0_USEC));
        accepted = accept(listener, NULL, NULL);
        assert_true(openings_due_usec(world->openings) > world->now_usec);
        assert_int_equal(look(world, openings_due_usec(world->openings) - world->now_usec), 1);
        assert_int_equal(world->n_openers, 1);
        loopback_reset(accepted);
        assert_true(is_ours(world, &key, T0_USEC, T0_USEC + 1000));
        close(end.fd);
        close(listener);
}

/* A tuple without a socket, one that only a listener has, and one that is over: nobody's, and looked at
 * once. */
static void test_none(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct flow_key none = loopback_key(1, 2), listened = loopback_key(loopback_port(listener), 3);
        struct loopback_end end = loopback_connect(0, listener);

        loopback_reset(end.fd);
        add(world, &none, T0_USEC);
        add(world, &listened, T0_USEC);
        add(world, &end.key, T0_USEC);
        assert_int_equal(look(world, 0), 3);
        assert_int_equal(openings_due_usec(world->openings), UINT64_MAX);
        assert_int_equal(world->n_openers, 0);
        assert_false(is_ours(world, &none, T0_USEC, T0_USEC));
        assert_false(is_ours(world, &listened, T0_USEC, T0_USEC));
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        close(listener);
}

/* A later SYN of the tuple takes its place: the same one, sent again, leaves it as it was, another
 * connection does not. */
static void test_superseded(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct loopback_end end = loopback_connect(0, listener);

        add(world, &end.key, T0_USEC);
        look(world, 0);
        assert_true(is_ours(world, &end.key, T0_USEC, T0_USEC));
        add(world, &end.key, T0_USEC + 3000);
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        look(world, 0);
        assert_true(is_ours(world, &end.key, T0_USEC, T0_USEC));
        assert_false(is_ours(world, &end.key, T0_USEC + 3000, T0_USEC + 3000));

        loopback_reset(end.fd);
        end = loopback_connect(end.key.local_port, listener);
        add(world, &end.key, T0_USEC + 6000);
        look(world, 0);
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        assert_true(is_ours(world, &end.key, T0_USEC + 6000, T0_USEC + 6000));

        loopback_reset(end.fd);
        add(world, &end.key, T0_USEC + 9000); /* of somebody who was too quick */
        look(world, 0);
        assert_false(is_ours(world, &end.key, T0_USEC + 6000, T0_USEC + 6000));
        assert_false(is_ours(world, &end.key, T0_USEC + 9000, T0_USEC + 9000));
        close(listener);
}

static struct flow_key udp_key(int fd) {
        struct flow_key key = loopback_key(loopback_port(fd), 53);

        key.protocol = IPPROTO_UDP;
        return key;
}

/* The first datagrams of a flow are one beginning, and the answer is of it, too: it does not come at once.
 */
static void test_datagrams(void **state) {
        struct world *world = *state;
        int fd = loopback_socket(SOCK_DGRAM, 0);
        struct flow_key key = udp_key(fd);

        add(world, &key, T0_USEC);
        assert_int_equal(look(world, 0), 1);
        assert_true(is_ours(world, &key, T0_USEC, T0_USEC + 1000));
        add(world, &key, T0_USEC + 2000);
        assert_true(is_ours(world, &key, T0_USEC, T0_USEC + 2000));
        assert_true(is_ours(world, &key, T0_USEC + 20000, T0_USEC + 20000));
        assert_false(is_ours(world, &key, T0_USEC - 2000, T0_USEC));
        assert_false(is_ours(world, &key, T0_USEC, T0_USEC + 1000000));
        add(world, &key, T0_USEC + 2000000); /* it begins anew */
        assert_false(is_ours(world, &key, T0_USEC + 2000000, T0_USEC + 2000000));
        look(world, 0);
        assert_true(is_ours(world, &key, T0_USEC + 2000000, T0_USEC + 2000000));
        close(fd);
        look(world, 1000000);
        assert_true(is_ours(world, &key, T0_USEC + 2000000, T0_USEC + 2000000));
}

/* With another socket on the port, it may be that one's. */
static void test_datagrams_of_two(void **state) {
        struct world *world = *state;
        int one = loopback_socket(SOCK_DGRAM, 0), other = loopback_socket(SOCK_DGRAM, loopback_port(one));
        struct flow_key key = udp_key(one);

        add(world, &key, T0_USEC);
        assert_int_equal(look(world, 0), 1);
        assert_false(is_ours(world, &key, T0_USEC, T0_USEC));
        close(one);
        close(other);
}

/* A SYN that was read late: the socket found for the one before was its own already. */
static void test_superseded_late(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct loopback_end end = loopback_connect(0, listener);

        loopback_reset(end.fd);
        end = loopback_connect(end.key.local_port, listener);
        add(world, &end.key, T0_USEC); /* of the one that is over */
        look(world, 0);
        add(world, &end.key, T0_USEC + 3000);
        look(world, 0);
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        assert_true(is_ours(world, &end.key, T0_USEC + 3000, T0_USEC + 3000));
        loopback_reset(end.fd);
        close(listener);
}

/* What was found is certain once no SYN can come any more that was sent before; never, where one was missed.
 */
static void test_certain(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct loopback_end one = loopback_connect(0, listener), two = loopback_connect(0, listener);
        const struct owner_question question = {
                .key = &one.key, .since_usec = T0_USEC, .until_usec = T0_USEC};
        uint64_t before = clock_usec(CLOCK_MONOTONIC);
        struct owner owner;

        add(world, &one.key, T0_USEC);
        look(world, 0);
        assert_false(openings_find(world->openings, &question, &owner));
        openings_read_until(world->openings, before);
        assert_false(openings_find(world->openings, &question, &owner));
        assert_true(is_ours(world, &one.key, T0_USEC, T0_USEC));

        openings_missed(world->openings);
        assert_true(is_ours(world, &one.key, T0_USEC, T0_USEC));
        add(world, &two.key, T0_USEC);
        look(world, 0);
        openings_missed(world->openings);
        assert_false(is_ours(world, &two.key, T0_USEC, T0_USEC));
        look(world, 1000000);
        assert_false(is_ours(world, &two.key, T0_USEC, T0_USEC));
        close(one.fd);
        close(two.fd);
        close(listener);
}

/* Where time is short the newest come first: the older they are, the likelier they are over. */
static void test_late(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct loopback_end old = loopback_connect(0, listener), new = loopback_connect(0, listener);
        const struct flow_key none = loopback_key(1, 2);

        add(world, &none, T0_USEC);
        add(world, &old.key, T0_USEC);
        world->now_usec += 1000;
        add(world, &new.key, T0_USEC + 1000);
        assert_int_equal(openings_look(world->openings, world->now_usec, 1, on_opener, world), 1);
        assert_true(is_ours(world, &new.key, T0_USEC + 1000, T0_USEC + 1000));
        assert_false(is_ours(world, &old.key, T0_USEC, T0_USEC));
        assert_int_equal(look(world, 0), 2); /* once each, for all the times that they were due */
        assert_true(is_ours(world, &old.key, T0_USEC, T0_USEC));
        close(old.fd);
        close(new.fd);
        close(listener);
}

/* Many at once, and some that are over: each has its own answer. */
static void test_many(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct loopback_end ends[40];

        openings_free(world->openings);
        world->openings = new_openings(100);
        for (uint16_t i = 0; i < ELEMENTSOF(ends); i++) {
                const struct flow_key none = loopback_key((uint16_t) (1 + 2 * i), 2);

                ends[i] = loopback_connect(0, listener);
                add(world, &ends[i].key, T0_USEC);
                if (i % 3 == 0)
                        add(world, &none, T0_USEC);
        }
        assert_int_equal(look(world, 0), 54);
        read_all(world);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                assert_true(is_ours(world, &ends[i].key, T0_USEC, T0_USEC));
                close(ends[i].fd);
        }
        close(listener);
}

static pid_t start_child(void) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child > 0)
                return child;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
                (void) pause();
}

/* What a child has come to hold as well, before it was looked at or soon after, is not known to be either's.
 */
static void test_inherited(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct loopback_end before = loopback_connect(0, listener), after;
        pid_t child = start_child();

        add(world, &before.key, T0_USEC);
        look(world, 0);
        assert_false(is_ours(world, &before.key, T0_USEC, T0_USEC));

        after = loopback_connect(0, listener);
        add(world, &after.key, T0_USEC);
        look(world, 0);
        assert_true(is_ours(world, &after.key, T0_USEC, T0_USEC));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        child = start_child();
        look(world, 3000);
        assert_false(is_ours(world, &after.key, T0_USEC, T0_USEC));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        close(before.fd);
        close(after.fd);
        close(listener);
}

/* Four are remembered here: of five the oldest is forgotten, in whichever queue it is, and a thousand more
 * take no more. */
static void test_bounded(void **state) {
        struct world *world = *state;
        int listener = loopback_listener();
        struct loopback_end ends[5];

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                ends[i] = loopback_connect(0, listener);
                add(world, &ends[i].key, T0_USEC);
                if (i % 2 == 0)
                        look(world, 0);
        }
        look(world, 0);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                assert_int_equal(is_ours(world, &ends[i].key, T0_USEC, T0_USEC), i > 0);
        for (uint16_t i = 0; i < 1000; i++) {
                struct flow_key key = loopback_key(i, 1);

                add(world, &key, T0_USEC);
        }
        assert_int_equal(look(world, 1000000), 4);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                assert_false(is_ours(world, &ends[i].key, T0_USEC, T0_USEC));
                close(ends[i].fd);
        }
        close(listener);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_client),           TEST(test_server),          TEST(test_none),
                TEST(test_superseded),       TEST(test_superseded_late), TEST(test_certain),
                TEST(test_inherited),        TEST(test_bounded),         TEST(test_datagrams),
                TEST(test_datagrams_of_two), TEST(test_late), TEST(test_many),
        };

        return cmocka_run_group_tests_name("openings", tests, NULL, NULL);
}
