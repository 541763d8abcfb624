/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <netinet/in.h>

#include "owner/owner_history.h"
#include "support/test.h"

/* Times are µs after T0_USEC. */
#define AT(usec) (T0_USEC + (usec))


static int set_up(void **state) {
        struct owner_history *history;

        assert_int_equal(owner_history_new(100, &history), 0);
        owner_history_trust(history, AT(0));
        *state = history;
        return 0;
}

static int tear_down(void **state) {
        owner_history_free(*state);
        return 0;
}

static struct flow_key tcp(void) {
        return test_key(1, 5000, 2, 80, IPPROTO_TCP);
}

static struct flow_key udp(void) {
        return test_key(1, 5000, 2, 53, IPPROTO_UDP);
}

/* Where a socket for datagrams is that is bound to no address and connected to none. */
static struct flow_key udp_port(uint16_t port) {
        return (struct flow_key){.local_port = port, .protocol = IPPROTO_UDP};
}

static struct socket_event event(enum socket_event_kind kind, uint64_t usec, uint64_t cookie, struct flow_key key,
                                 uint32_t pid) {
        return (struct socket_event){.kind = kind,
                                     .time_usec = usec > 0 ? AT(usec) : 0,
                                     .cookie = cookie,
                                     .key = key,
                                     .user = {.id = {.pid = pid, .start_ticks = pid}, .name = "name", .uid = 7}};
}

static void take(struct owner_history *history, enum socket_event_kind kind, uint64_t usec, uint64_t cookie,
                 struct flow_key key, uint32_t pid) {
        const struct socket_event told = event(kind, usec, cookie, key, pid);

        owner_history_take(history, &told);
}

/* A connection that came in. */
static void accepted(struct owner_history *history, uint64_t usec, uint64_t cookie) {
        struct socket_event told = event(SOCKET_THERE, usec, cookie, tcp(), 0);

        told.incoming = true;
        owner_history_take(history, &told);
}

static struct owner_question question(const struct flow_key *key, uint64_t since, uint64_t until) {
        return (struct owner_question){.key = key,
                                       .since_usec = AT(since),
                                       .until_usec = AT(until),
                                       .next_usec = UINT64_MAX,
                                       .read_usec = AT(1000000)};
}

/* The pid; 0: not known; -1: shared; -2: nobody yet. */
static int answer(const struct owner_history *history, const struct owner_question *asked) {
        struct owner owner;

        switch (owner_history_find(history, asked, &owner)) {
        case OWNER_RECALL_FOUND:
                assert_int_equal(owner.process.start_ticks, owner.process.pid);
                assert_string_equal(owner.user.name, "name");
                assert_int_equal(owner.user.uid, 7);
                assert_int_not_equal(owner.cookie, 0);
                return (int) owner.process.pid;
        case OWNER_RECALL_UNKNOWN:
                return 0;
        case OWNER_RECALL_SHARED:
                return -1;
        case OWNER_RECALL_UNUSED:
                return -2;
        }
        return -3;
}

/* Of packets without a SYN. */
static int who(const struct owner_history *history, struct flow_key key, uint64_t since, uint64_t until) {
        const struct owner_question asked = question(&key, since, until);

        return answer(history, &asked);
}

/* Of a connection with that SYN, sent or received. */
static int who_of(const struct owner_history *history, bool connected, uint64_t start, uint64_t until) {
        const struct flow_key key = tcp();
        struct owner_question asked = question(&key, start, until);

        asked.connected = connected;
        asked.start_usec = AT(start);
        return answer(history, &asked);
}

static void test_connection(void **state) {
        struct owner_history *history = *state;

        assert_int_equal(who(history, tcp(), 10, 20), 0);
        take(history, SOCKET_USED, 100, 1, tcp(), 11);
        assert_int_equal(who_of(history, true, 101, 200), 11);
        assert_int_equal(who(history, tcp(), 150, 200), 11);
        assert_int_equal(who(history, tcp(), 50, 90), 0); /* before it was there */
        take(history, SOCKET_CLOSED, 300, 1, tcp(), 11);
        assert_int_equal(who_of(history, true, 101, 200), 11);
        assert_int_equal(who(history, tcp(), 310, 400), 11); /* its end, which the kernel sees to */
        assert_int_equal(who_of(history, true, 310, 400), 0); /* another SYN is not its own */
        assert_int_equal(who(history, test_key(1, 5000, 3, 80, IPPROTO_TCP), 150, 200), 0);
}

/* One process after the other on the same tuple. */
static void test_reused_tuple(void **state) {
        struct owner_history *history = *state;

        take(history, SOCKET_USED, 100, 1, tcp(), 11);
        take(history, SOCKET_CLOSED, 200, 1, tcp(), 11);
        take(history, SOCKET_USED, 210, 2, tcp(), 22);
        take(history, SOCKET_CLOSED, 300, 2, tcp(), 22);
        take(history, SOCKET_USED, 310, 3, tcp(), 33);
        assert_int_equal(who_of(history, true, 102, 205), 11);
        assert_int_equal(who_of(history, true, 211, 305), 22);
        assert_int_equal(who_of(history, true, 311, 400), 33);
        assert_int_equal(who(history, tcp(), 120, 150), 11);
        assert_int_equal(who(history, tcp(), 250, 260), 22);
        assert_int_equal(who(history, tcp(), 120, 250), -1);
        assert_int_equal(who_of(history, true, 102, 250), -1); /* the SYN in between was not seen */
}

/* The SYN comes first, what is told of the connection after it, and who takes it at some time later. */
static void test_accepted(void **state) {
        struct owner_history *history = *state;

        accepted(history, 120, 1);
        assert_int_equal(who_of(history, false, 100, 150), -2);
        take(history, SOCKET_USED, 500, 1, tcp(), 11);
        assert_int_equal(who_of(history, false, 100, 150), 11);
        assert_int_equal(who_of(history, false, 100, 600), 11);
        take(history, SOCKET_CLOSED, 700, 1, tcp(), 11);
        accepted(history, 820, 2);
        take(history, SOCKET_USED, 830, 2, tcp(), 22);
        assert_int_equal(who_of(history, false, 100, 750), 11);
        assert_int_equal(who_of(history, false, 800, 900), 22);
        assert_int_equal(who(history, tcp(), 710, 720), -1); /* the end of the one, or the SYN of the other */
        assert_int_equal(who(history, tcp(), 650, 680), 11);
        assert_int_equal(who(history, tcp(), 825, 830), 22);
        assert_int_equal(who_of(history, true, 800, 900), 0); /* that it began itself */
}

/* A SYN that is refused, and then one that is not: the first is no packet of the connection. */
static void test_refused_before(void **state) {
        struct owner_history *history = *state;
        const struct flow_key key = tcp();
        struct owner_question asked = question(&key, 100, 110);

        accepted(history, 500, 1);
        take(history, SOCKET_USED, 510, 1, tcp(), 11);
        asked.start_usec = AT(100);
        asked.read_usec = AT(400);
        assert_int_equal(answer(history, &asked), -2); /* there may be another SYN that is still to be read */
        asked.read_usec = AT(600);
        asked.next_usec = AT(450);
        assert_int_equal(answer(history, &asked), 0); /* here it is */
        asked.next_usec = UINT64_MAX;
        assert_int_equal(answer(history, &asked), 11); /* there was none */
}

/* Closed by a process that never used it. */
static void test_closed_unused(void **state) {
        struct owner_history *history = *state;

        accepted(history, 120, 1);
        take(history, SOCKET_CLOSED, 200, 1, tcp(), 11);
        assert_int_equal(who_of(history, false, 100, 250), 11);
        take(history, SOCKET_THERE, 300, 2, udp_port(5000), 0);
        take(history, SOCKET_CLOSED, 400, 2, udp_port(5000), 22);
        assert_int_equal(who(history, udp(), 310, 350), 22);
        assert_int_equal(who(history, udp(), 410, 450), 0);
}

static void test_passed_on(void **state) {
        struct owner_history *history = *state;

        take(history, SOCKET_USED, 100, 1, tcp(), 11);
        take(history, SOCKET_USED, 200, 1, tcp(), 22);
        take(history, SOCKET_USED, 300, 1, tcp(), 11);
        assert_int_equal(who(history, tcp(), 110, 190), 11);
        assert_int_equal(who(history, tcp(), 210, 290), 22);
        assert_int_equal(who(history, tcp(), 310, 390), 11);
        assert_int_equal(who(history, tcp(), 190, 210), -1);
        assert_true(owner_history_changed(history, (struct flow_key[]){tcp()}, AT(190), AT(200)));
        assert_int_equal(owner_history_size(history), 3);
}

static void test_changed(void **state) {
        struct owner_history *history = *state;
        const struct flow_key stream = tcp(), datagrams = udp();

        take(history, SOCKET_USED, 100, 1, tcp(), 11);
        take(history, SOCKET_USED, 200, 2, udp_port(5000), 22);
        take(history, SOCKET_CLOSED, 300, 2, udp_port(5000), 22);
        assert_false(owner_history_changed(history, &stream, AT(0), AT(1000))); /* its SYN tells it */
        assert_true(owner_history_changed(history, &datagrams, AT(100), AT(200)));
        assert_false(owner_history_changed(history, &datagrams, AT(200), AT(299)));
        assert_true(owner_history_changed(history, &datagrams, AT(200), AT(300)));
        assert_false(owner_history_changed(history, &datagrams, AT(300), AT(1000)));
}

static void test_datagrams(void **state) {
        struct owner_history *history = *state;

        take(history, SOCKET_THERE, 100, 1, udp_port(5000), 0);
        assert_int_equal(who(history, udp(), 150, 160), -2);
        take(history, SOCKET_USED, 200, 1, udp_port(5000), 11);
        assert_int_equal(who(history, udp(), 150, 160), 11); /* what came before it was asked for */
        assert_int_equal(who(history, udp(), 50, 90), 0);
        assert_int_equal(who(history, test_key(1, 5001, 2, 53, IPPROTO_UDP), 150, 160), 0);
        take(history, SOCKET_CLOSED, 300, 1, udp_port(5000), 11);
        take(history, SOCKET_USED, 400, 2, udp_port(5000), 22);
        assert_int_equal(who(history, udp(), 250, 299), 11);
        assert_int_equal(who(history, udp(), 250, 390), -1); /* the last was nobody's */
        assert_int_equal(who(history, udp(), 310, 390), 0);
        assert_int_equal(who(history, udp(), 410, 450), 22);
        assert_int_equal(who(history, udp(), 250, 450), -1);
}

/* Several sockets on one port: all that could have it count, and no other. */
static void test_shared_port(void **state) {
        struct owner_history *history = *state;
        struct flow_key other_peer = test_key(1, 5000, 3, 53, IPPROTO_UDP), ipv6 = udp();
        struct socket_event only_ipv6 = event(SOCKET_USED, 100, 4, udp_port(5000), 44);

        ipv6.local = ipv6.remote = in6addr_loopback;
        take(history, SOCKET_USED, 100, 1, udp(), 11); /* connected */
        assert_int_equal(who(history, udp(), 150, 160), 11);
        assert_int_equal(who(history, other_peer, 150, 160), 0);
        only_ipv6.ipv6_only = true;
        owner_history_take(history, &only_ipv6);
        assert_int_equal(who(history, udp(), 150, 160), 11);
        assert_int_equal(who(history, ipv6, 150, 160), 44);
        take(history, SOCKET_THERE, 200, 2, udp_port(5000), 0);
        assert_int_equal(who(history, udp(), 150, 160), 11);
        assert_int_equal(who(history, udp(), 250, 260), -2);
        take(history, SOCKET_USED, 300, 2, udp_port(5000), 11);
        assert_int_equal(who(history, udp(), 250, 260), 11);
        take(history, SOCKET_USED, 400, 3, udp_port(5000), 33);
        assert_int_equal(who(history, udp(), 450, 460), -1);
        take(history, SOCKET_CLOSED, 500, 3, udp_port(5000), 33);
        assert_int_equal(who(history, udp(), 550, 560), 11);
}

/* What was there before anything was told. */
static void test_listed(void **state) {
        struct owner_history *history = *state;

        take(history, SOCKET_HELD, 0, 1, tcp(), 11);
        take(history, SOCKET_HELD, 0, 1, tcp(), 11); /* by two descriptors */
        assert_int_equal(who(history, tcp(), 10, 20), 11);
        take(history, SOCKET_HELD, 0, 2, udp_port(5000), 11);
        take(history, SOCKET_HELD, 0, 2, udp_port(5000), 22);
        take(history, SOCKET_HELD, 0, 2, udp_port(5000), 33);
        assert_int_equal(who(history, udp(), 10, 20), -2);
        take(history, SOCKET_USED, 100, 2, udp_port(5000), 22);
        assert_int_equal(who(history, udp(), 10, 20), 22);
        take(history, SOCKET_USED, 0, 3, udp_port(5001), 44);
        take(history, SOCKET_HELD, 0, 3, udp_port(5001), 55);
        assert_int_equal(who(history, test_key(1, 5001, 2, 53, IPPROTO_UDP), 10, 20), 44);
        take(history, SOCKET_MANY, 0, 4, udp_port(5002), 0);
        assert_int_equal(who(history, test_key(1, 5002, 2, 53, IPPROTO_UDP), 10, 20), -1);
}

/* A socket that is connected to one after the other. */
static void test_connected_anew(void **state) {
        struct owner_history *history = *state;
        struct flow_key other = test_key(1, 5000, 3, 53, IPPROTO_UDP);

        take(history, SOCKET_USED, 100, 1, udp(), 11);
        take(history, SOCKET_USED, 200, 1, other, 11);
        assert_int_equal(who(history, udp(), 110, 120), 11);
        assert_int_equal(who(history, udp(), 210, 220), 0);
        assert_int_equal(who(history, other, 210, 220), 11);
        take(history, SOCKET_CLOSED, 300, 1, other, 11);
        assert_int_equal(who(history, other, 310, 320), 0);
}

static void test_trust(void **state) {
        struct owner_history *history = *state;

        owner_history_trust(history, AT(200));
        take(history, SOCKET_USED, 100, 1, udp_port(5000), 11);
        assert_int_equal(who(history, udp(), 150, 250), 0);
        assert_int_equal(who(history, udp(), 200, 250), 11);
        owner_history_clear(history);
        assert_int_equal(owner_history_size(history), 0);
        assert_int_equal(who(history, udp(), 200, 250), 0);
        take(history, SOCKET_USED, 100, 1, udp_port(5000), 11);
        assert_int_equal(who(history, udp(), 200, 250), 0); /* until it is said since when all is told */
}

static void test_expire(void **state) {
        struct owner_history *history = *state;

        for (uint16_t i = 0; i < 10; i++) {
                take(history, SOCKET_USED, 100 + i, 1 + i, udp_port(6000 + i), 11);
                if (i % 2)
                        take(history, SOCKET_CLOSED, 200 + i, 1 + i, udp_port(6000 + i), 11);
        }
        owner_history_expire(history, AT(206));
        assert_int_equal(owner_history_size(history), 7); /* five are open */
        assert_int_equal(who(history, test_key(1, 6005, 2, 53, IPPROTO_UDP), 150, 160), 0);
        assert_int_equal(who(history, test_key(1, 6007, 2, 53, IPPROTO_UDP), 150, 160), 11);
        assert_int_equal(who(history, test_key(1, 6004, 2, 53, IPPROTO_UDP), 150, 160), 11);
}

/* More than there is room for: those closed first go; where nothing can, a port may have sockets that are not known,
 * and is not answered for. */
static void test_full(void **state) {
        struct owner_history *history = *state;

        for (uint16_t i = 0; i < 1000; i++) {
                take(history, SOCKET_USED, 100 + i, 1 + i, udp_port(6000 + i), 11);
                take(history, SOCKET_CLOSED, 100 + i, 1 + i, udp_port(6000 + i), 11);
                assert_true(owner_history_size(history) <= 100);
        }
        assert_int_equal(who(history, test_key(1, 6000, 2, 53, IPPROTO_UDP), 100, 100), 0);
        assert_int_equal(who(history, test_key(1, 6999, 2, 53, IPPROTO_UDP), 1099, 1099), 11);
        for (uint16_t i = 0; i < 99; i++)
                take(history, SOCKET_USED, 2000, 2000 + i, udp_port(7000 + i), 11);
        assert_int_equal(who(history, test_key(1, 7001, 2, 53, IPPROTO_UDP), 3000, 3000), 11);
        for (uint16_t i = 0; i < 10; i++)
                take(history, SOCKET_USED, 2000, 3000 + i, udp_port(7001), 22);
        assert_int_equal(owner_history_size(history), 100);
        assert_int_equal(who(history, test_key(1, 7001, 2, 53, IPPROTO_UDP), 3000, 3000), 0);
        take(history, SOCKET_CLOSED, 4000, 2000, udp_port(7000), 11);
        take(history, SOCKET_USED, 4000, 5000, tcp(), 33);
        assert_int_equal(who(history, tcp(), 4010, 4010), 33);
        owner_history_clear(history);
        owner_history_trust(history, AT(0));
        take(history, SOCKET_USED, 0, 1, udp_port(7001), 22);
        assert_int_equal(who(history, test_key(1, 7001, 2, 53, IPPROTO_UDP), 3000, 3000), 22);
}

/* One port on which sockets come and go: not all of them are looked at, and of what is not it is not said that it was
 * nobody else's. */
static void test_busy_port(void **state) {
        struct owner_history *history = *state;

        take(history, SOCKET_USED, 90, 999, udp_port(5000), 22); /* stays */
        for (uint16_t i = 0; i < 80; i++) {
                take(history, SOCKET_USED, 100 + i * 10U, 1 + i, udp_port(5000), 22);
                take(history, SOCKET_CLOSED, 105 + i * 10U, 1 + i, udp_port(5000), 22);
        }
        assert_true(owner_history_size(history) <= 64);
        assert_int_equal(who(history, udp(), 101, 102), 0);
        assert_int_equal(who(history, udp(), 891, 892), 22);
}

/* What a server has connected to each of its peers is in nobody's way; what it has on one port in too large numbers is
 * not gone through. */
static void test_many_sockets(void **state) {
        struct owner_history *history = *state;

        for (uint8_t i = 0; i < 50; i++)
                take(history, SOCKET_USED, 100, 1 + i, test_key(1, 5000, i, 53, IPPROTO_UDP), 11 + i % 2U);
        assert_int_equal(who(history, test_key(1, 5000, 7, 53, IPPROTO_UDP), 150, 160), 12);
        assert_int_equal(who(history, test_key(1, 5000, 8, 53, IPPROTO_UDP), 150, 160), 11);
        owner_history_clear(history);
        owner_history_trust(history, AT(0));
        for (uint8_t i = 0; i < 64; i++)
                take(history, SOCKET_USED, 100, 1 + i, udp_port(5000), 11);
        assert_int_equal(who(history, udp(), 150, 160), 11);
        take(history, SOCKET_USED, 100, 65, udp_port(5000), 11);
        assert_int_equal(who(history, udp(), 150, 160), 0);
}

/* A connection that nobody takes does not keep what was closed from being forgotten. */
static void test_expire_behind_open(void **state) {
        struct owner_history *history = *state;

        accepted(history, 100, 1);
        take(history, SOCKET_USED, 110, 2, udp_port(5000), 11);
        take(history, SOCKET_CLOSED, 120, 2, udp_port(5000), 11);
        owner_history_expire(history, AT(200));
        assert_int_equal(owner_history_size(history), 1);
        assert_int_equal(who_of(history, false, 90, 150), -2);
}

/* Changes at random: whatever comes, it is bounded and answers. */
static void test_anything(void **state) {
        struct owner_history *history = *state;
        uint32_t random = 1;

        for (uint64_t i = 1; i < 20000; i++) {
                struct socket_event told;

                random = random * 1664525 + 1013904223;
                told = event(random >> 8 & 3 ? SOCKET_USED : (enum socket_event_kind) (random >> 12) % 5, i, 1 + (random >> 16 & 31),
                             random >> 21 & 1 ? tcp() : udp_port(5000 + (random >> 22 & 3)), random >> 24 & 3);
                owner_history_take(history, &told);
                assert_true(owner_history_size(history) <= 100);
                (void) who(history, udp(), i, i);
                (void) who_of(history, random & 1, i, i);
                if (random >> 26 == 0)
                        owner_history_expire(history, AT(i - MIN(i, 10U)));
        }
}

static void test_new(void **state) {
        struct owner_history *history;

        (void) state;
        assert_int_equal(owner_history_new(0, &history), -EINVAL);
        owner_history_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_connection),    TEST(test_reused_tuple), TEST(test_accepted),      TEST(test_refused_before),
                TEST(test_closed_unused), TEST(test_passed_on),    TEST(test_changed),       TEST(test_datagrams),
                TEST(test_shared_port),   TEST(test_listed),       TEST(test_connected_anew), TEST(test_trust),
                TEST(test_expire),        TEST(test_full),         TEST(test_busy_port),     TEST(test_anything),
                TEST(test_many_sockets),  TEST(test_expire_behind_open),
                cmocka_unit_test(test_new),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
