/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "owner/openings.h"
#include "source/syn_capture.h"
#include "support/test.h"
#include "util/clock.h"

/* --- the segments --------------------------------------------------------------------------------------- */

/* LINUX_SLL2: IPv4, interface 9, outgoing; IPv4 to TCP; a SYN from port 40000 to 80 */
static const uint8_t syn_frame[20 + 20 + 20] = {
        0x08,       0x00, [7] = 9,          [10] = 4,   [20] = 0x45, [23] = 40,           [28] = 64,
        [29] = 6,   [32] = 192, [34] = 2,   [35] = 1,   [36] = 192,  [38] = 2,            [39] = 2,
        [40] = 156, [41] = 64,  [43] = 80,  [52] = 0x50, [53] = 0x02,
};

static int parse(const uint8_t *frame, size_t captured, struct syn *ret_syn) {
        uint8_t *block = malloc(captured ?: 1); /* for the sanitizer to see each byte too far */
        int r;

        memcpy(block, frame, captured);
        r = syn_parse(block, captured, sizeof(syn_frame), T0_USEC, ret_syn);
        free(block);
        return r;
}

static void test_parse(void **state) {
        uint8_t frame[sizeof(syn_frame)];
        struct syn syn;

        (void) state;
        assert_int_equal(parse(syn_frame, sizeof(syn_frame), &syn), 0);
        assert_int_equal(syn.key.local_port, 40000);
        assert_int_equal(syn.key.remote_port, 80);
        assert_int_equal(syn.key.local.s6_addr[15], 1);
        assert_int_equal(syn.key.remote.s6_addr[15], 2);
        assert_int_equal(syn.ifindex, 9);
        assert_int_equal(syn.time_usec, T0_USEC);

        memcpy(frame, syn_frame, sizeof(frame));
        frame[29] = 132; /* SCTP */
        assert_int_equal(parse(frame, sizeof(frame), &syn), -EBADMSG);
        frame[29] = 6;
        frame[27] = 1; /* a later fragment */
        assert_int_equal(parse(frame, sizeof(frame), &syn), -EBADMSG);
}

/* Every prefix: with its ports it is one, without it is none. */
static void test_parse_truncated(void **state) {
        const size_t ports_end = 20 + 20 + 4;
        struct syn syn;

        (void) state;
        for (size_t captured = 0; captured < sizeof(syn_frame); captured++)
                assert_int_equal(parse(syn_frame, captured, &syn), captured < ports_end ? -EBADMSG : 0);
}

/* --- real connections, in a network namespace of the test's own ----------------------------------------- */

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

/* An end of a connection over loopback, and what the other one calls it. */
struct end {
        int fd;
        struct flow_key key;
};

static uint16_t port_of(int fd) {
        struct sockaddr_in address;
        socklen_t length = sizeof(address);

        assert_int_equal(getsockname(fd, (struct sockaddr *) &address, &length), 0);
        return ntohs(address.sin_port);
}

static int new_socket_of(int type, uint16_t port) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
        int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0), yes = 1;

        assert_true(fd >= 0);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        return fd;
}

static int new_socket(uint16_t port) {
        return new_socket_of(SOCK_STREAM, port);
}

static int new_listener(void) {
        int fd = new_socket(0);

        assert_int_equal(listen(fd, 16), 0);
        return fd;
}

static struct flow_key key_of(uint16_t local, uint16_t remote) {
        struct flow_key key = {.local_port = local, .remote_port = remote, .protocol = IPPROTO_TCP};

        assert_int_equal(inet_pton(AF_INET6, "::ffff:127.0.0.1", &key.local), 1);
        key.remote = key.local;
        return key;
}

static struct end connect_from(uint16_t local, int listener) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port_of(listener))};
        struct end end = {.fd = new_socket(local)};

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(connect(end.fd, (const struct sockaddr *) &address, sizeof(address)), 0);
        end.key = key_of(port_of(end.fd), port_of(listener));
        return end;
}

/* So that nothing of it stays. */
static void reset(int fd) {
        const struct linger at_once = {.l_onoff = 1};

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
        close(fd);
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
static bool is_ours(struct world *world, const struct flow_key *key, uint64_t since_usec, uint64_t until_usec) {
        const struct owner_question question = {.key = key, .since_usec = since_usec, .until_usec = until_usec};
        struct owner owner;

        read_all(world);
        if (!openings_find(world->openings, &question, &owner))
                return false;
        assert_int_equal(owner.process.pid, getpid());
        assert_true(owner.cookie != 0 && owner.inode != 0);
        return true;
}

/* It stays known when its socket is gone, for the packets that begin with its SYN and come within moments. */
static void test_client(void **state) {
        struct world *world = *state;
        int listener = new_listener();
        struct end end = connect_from(0, listener);

        assert_int_equal(openings_due_usec(world->openings), UINT64_MAX);
        assert_int_equal(look(world, 0), 0);
        add(world, &end.key, T0_USEC);
        assert_int_equal(openings_due_usec(world->openings), world->now_usec);
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        assert_int_equal(look(world, 0), 1);
        assert_int_equal(world->n_openers, 1);
        assert_int_equal(world->opener.id.pid, getpid());
        assert_string_equal(world->opener.name, "test-openings");
        reset(end.fd);
        look(world, 1000000);
        assert_int_equal(openings_due_usec(world->openings), UINT64_MAX);
        assert_int_equal(world->n_openers, 1);

        assert_true(is_ours(world, &end.key, T0_USEC, T0_USEC + 100000));
        assert_true(is_ours(world, &end.key, T0_USEC + 300, T0_USEC + 300)); /* another socket's stamp of the SYN */
        assert_true(is_ours(world, &end.key, T0_USEC - 300, T0_USEC));
        assert_false(is_ours(world, &end.key, T0_USEC - 2000, T0_USEC + 100)); /* begun before */
        assert_false(is_ours(world, &end.key, T0_USEC + 2000, T0_USEC + 2000)); /* or later: another, perhaps */
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC + 1000000)); /* what is there now tells that */
        close(listener);
}

/* A server's end is nobody's until it is taken. */
static void test_server(void **state) {
        struct world *world = *state;
        int listener = new_listener(), accepted;
        struct end end = connect_from(0, listener);
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
        reset(accepted);
        assert_true(is_ours(world, &key, T0_USEC, T0_USEC + 1000));
        close(end.fd);
        close(listener);
}

/* A tuple without a socket, one that only a listener has, and one that is over: nobody's, and looked at once. */
static void test_none(void **state) {
        struct world *world = *state;
        int listener = new_listener();
        struct flow_key none = key_of(1, 2), listened = key_of(port_of(listener), 3);
        struct end end = connect_from(0, listener);

        reset(end.fd);
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

/* A later SYN of the tuple takes its place: the same one, sent again, leaves it as it was, another connection does
 * not. */
static void test_superseded(void **state) {
        struct world *world = *state;
        int listener = new_listener();
        struct end end = connect_from(0, listener);

        add(world, &end.key, T0_USEC);
        look(world, 0);
        assert_true(is_ours(world, &end.key, T0_USEC, T0_USEC));
        add(world, &end.key, T0_USEC + 3000);
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        look(world, 0);
        assert_true(is_ours(world, &end.key, T0_USEC, T0_USEC));
        assert_false(is_ours(world, &end.key, T0_USEC + 3000, T0_USEC + 3000));

        reset(end.fd);
        end = connect_from(end.key.local_port, listener);
        add(world, &end.key, T0_USEC + 6000);
        look(world, 0);
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        assert_true(is_ours(world, &end.key, T0_USEC + 6000, T0_USEC + 6000));

        reset(end.fd);
        add(world, &end.key, T0_USEC + 9000); /* of somebody who was too quick */
        look(world, 0);
        assert_false(is_ours(world, &end.key, T0_USEC + 6000, T0_USEC + 6000));
        assert_false(is_ours(world, &end.key, T0_USEC + 9000, T0_USEC + 9000));
        close(listener);
}

static struct flow_key udp_key(int fd) {
        struct flow_key key = key_of(port_of(fd), 53);

        key.protocol = IPPROTO_UDP;
        return key;
}

/* The first datagrams of a flow are one beginning, and the answer is of it, too: it does not come at once. */
static void test_datagrams(void **state) {
        struct world *world = *state;
        int fd = new_socket_of(SOCK_DGRAM, 0);
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
        int one = new_socket_of(SOCK_DGRAM, 0), other = new_socket_of(SOCK_DGRAM, port_of(one));
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
        int listener = new_listener();
        struct end end = connect_from(0, listener);

        reset(end.fd);
        end = connect_from(end.key.local_port, listener);
        add(world, &end.key, T0_USEC); /* of the one that is over */
        look(world, 0);
        add(world, &end.key, T0_USEC + 3000);
        look(world, 0);
        assert_false(is_ours(world, &end.key, T0_USEC, T0_USEC));
        assert_true(is_ours(world, &end.key, T0_USEC + 3000, T0_USEC + 3000));
        reset(end.fd);
        close(listener);
}

/* What was found is certain once no SYN can come any more that was sent before; never, where one was missed. */
static void test_certain(void **state) {
        struct world *world = *state;
        int listener = new_listener();
        struct end one = connect_from(0, listener), two = connect_from(0, listener);
        const struct owner_question question = {.key = &one.key, .since_usec = T0_USEC, .until_usec = T0_USEC};
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

static pid_t start_child(void) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child > 0)
                return child;
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;)
                (void) pause();
}

/* What a child has come to hold as well, before it was looked at or soon after, is not known to be either's. */
static void test_inherited(void **state) {
        struct world *world = *state;
        int listener = new_listener();
        struct end before = connect_from(0, listener), after;
        pid_t child = start_child();

        add(world, &before.key, T0_USEC);
        look(world, 0);
        assert_false(is_ours(world, &before.key, T0_USEC, T0_USEC));

        after = connect_from(0, listener);
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

/* Four are remembered here: of five the oldest is forgotten, in whichever queue it is, and a thousand more take no
 * more. */
static void test_bounded(void **state) {
        struct world *world = *state;
        int listener = new_listener();
        struct end ends[5];

        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                ends[i] = connect_from(0, listener);
                add(world, &ends[i].key, T0_USEC);
                if (i % 2 == 0)
                        look(world, 0);
        }
        look(world, 0);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++)
                assert_int_equal(is_ours(world, &ends[i].key, T0_USEC, T0_USEC), i > 0);
        for (uint16_t i = 0; i < 1000; i++) {
                struct flow_key key = key_of(i, 1);

                add(world, &key, T0_USEC);
        }
        assert_int_equal(look(world, 1000000), 4);
        for (size_t i = 0; i < ELEMENTSOF(ends); i++) {
                assert_false(is_ours(world, &ends[i].key, T0_USEC, T0_USEC));
                close(ends[i].fd);
        }
        close(listener);
}

struct seen {
        struct syn syns[8];
        size_t n;
};

static void on_syn(const struct syn *syn, void *userdata) {
        struct seen *seen = userdata;

        if (seen->n < ELEMENTSOF(seen->syns))
                seen->syns[seen->n] = *syn;
        seen->n++;
}

/* The kernel lets through a SYN and what answers it, and nothing of what follows. */
static void test_capture(void **state) {
        _cleanup_(syn_capture_freep) struct syn_capture *capture = NULL;
        struct pollfd readable = {.events = POLLIN};
        int listener = new_listener(), accepted;
        struct seen seen = {};
        struct source_error error;
        struct end end;

        (void) state;
        assert_int_equal(syn_capture_new(&capture, &error), 0);
        readable.fd = syn_capture_fd(capture);
        assert_int_equal(poll(&readable, 1, 0), 0);
        end = connect_from(0, listener);
        accepted = accept(listener, NULL, NULL);
        assert_int_equal(send(end.fd, "x", 1, 0), 1);
        assert_int_equal(recv(accepted, &(char){0}, 1, 0), 1);
        assert_int_equal(poll(&readable, 1, 10000), 1);
        while (syn_capture_read(capture, 100, on_syn, &seen, &error) > 0)
                continue;
        assert_int_equal(seen.n, 2);
        assert_memory_equal(&seen.syns[0].key, &end.key, sizeof(end.key));
        end.key = flow_key_reverse(&end.key);
        assert_memory_equal(&seen.syns[1].key, &end.key, sizeof(end.key));
        assert_int_equal(seen.syns[0].ifindex, 1);
        reset(end.fd);
        close(accepted);
        close(listener);
}

static size_t count_datagrams(struct syn_capture *capture, int from, int to) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port_of(to))};
        struct source_error error;
        struct seen seen = {};

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (int i = 0; i < 3; i++)
                assert_int_equal(sendto(from, "x", 1, 0, (const struct sockaddr *) &address, sizeof(address)), 1);
        while (syn_capture_read(capture, 100, on_syn, &seen, &error) > 0)
                continue;
        for (size_t i = 0; i < seen.n; i++) {
                assert_int_equal(seen.syns[i].key.protocol, IPPROTO_UDP);
                assert_int_equal(seen.syns[i].key.local_port, port_of(from));
        }
        return seen.n;
}

/* Any of all the ports that there is room for can be left out, and comes back. */
static void test_capture_excludes(void **state) {
        _cleanup_(syn_capture_freep) struct syn_capture *capture = NULL;
        int from = new_socket_of(SOCK_DGRAM, 0), to = new_socket_of(SOCK_DGRAM, 0);
        uint16_t ports[SYN_EXCLUDED_MAX] = {};
        struct source_error error;

        (void) state;
        assert_int_equal(syn_capture_new(&capture, &error), 0);
        assert_int_equal(count_datagrams(capture, from, to), 3);
        for (size_t i = 0; i < ELEMENTSOF(ports); i++) {
                memset(ports, 0, sizeof(ports));
                ports[i] = port_of(from);
                assert_int_equal(syn_capture_exclude(capture, ports, i + 1), 0);
                assert_int_equal(count_datagrams(capture, from, to), 0);
                assert_int_equal(count_datagrams(capture, to, from), 3);
                assert_int_equal(syn_capture_exclude(capture, ports, i), 0);
                assert_int_equal(count_datagrams(capture, from, to), 3);
        }
        close(from);
        close(to);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_truncated),
                TEST(test_client),
                TEST(test_server),
                TEST(test_none),
                TEST(test_superseded),
                TEST(test_superseded_late),
                TEST(test_certain),
                TEST(test_inherited),
                TEST(test_bounded),
                TEST(test_datagrams),
                TEST(test_datagrams_of_two),
                TEST(test_capture),
                TEST(test_capture_excludes),
        };

        return cmocka_run_group_tests_name("openings", tests, NULL, NULL);
}
