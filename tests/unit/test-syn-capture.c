/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "source/syn_capture.h"
#include "support/loopback.h"
#include "support/test.h"

/* --- the segments ---------------------------------------------------------------------------------------
 */

/* LINUX_SLL2: IPv4, interface 9, outgoing; IPv4 to TCP; a SYN from port 40000 to 80 */
static const uint8_t syn_frame[20 + 20 + 20] = {
        0x08,       0x00,       [7] = 9,   [10] = 4,    [20] = 0x45, [23] = 40, [28] = 64,
        [29] = 6,   [32] = 192, [34] = 2,  [35] = 1,    [36] = 192,  [38] = 2,  [39] = 2,
        [40] = 156, [41] = 64,  [43] = 80, [52] = 0x50, [53] = 0x02,
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

/* --- what the kernel lets through, in a network namespace of the test's own
 * ------------------------------------ */

static int set_up(void **state) {
        (void) state;
        SKIP_UNLESS_ROOT();
        test_enter_namespace();
        return 0;
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
        int listener = loopback_listener(), accepted;
        struct seen seen = {};
        struct source_error error;
        struct loopback_end end;

        (void) state;
        assert_int_equal(syn_capture_new(&capture, &error), 0);
        readable.fd = syn_capture_fd(capture);
        assert_int_equal(poll(&readable, 1, 0), 0);
        end = loopback_connect(0, listener);
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
        loopback_reset(end.fd);
        close(accepted);
        close(listener);
}

static size_t count_datagrams(struct syn_capture *capture, int from, int to) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(loopback_port(to))};
        struct source_error error;
        struct seen seen = {};

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        for (int i = 0; i < 3; i++)
                assert_int_equal(
                        sendto(from, "x", 1, 0, (const struct sockaddr *) &address, sizeof(address)), 1);
        while (syn_capture_read(capture, 100, on_syn, &seen, &error) > 0)
                continue;
        for (size_t i = 0; i < seen.n; i++) {
                assert_int_equal(seen.syns[i].key.protocol, IPPROTO_UDP);
                assert_int_equal(seen.syns[i].key.local_port, loopback_port(from));
        }
        return seen.n;
}

/* Any of all the ports that there is room for can be left out, and comes back. */
static void test_capture_excludes(void **state) {
        _cleanup_(syn_capture_freep) struct syn_capture *capture = NULL;
        int from = loopback_socket(SOCK_DGRAM, 0), to = loopback_socket(SOCK_DGRAM, 0);
        uint16_t ports[SYN_EXCLUDED_MAX] = {};
        struct source_error error;

        (void) state;
        assert_int_equal(syn_capture_new(&capture, &error), 0);
        assert_int_equal(count_datagrams(capture, from, to), 3);
        for (size_t i = 0; i < ELEMENTSOF(ports); i++) {
                memset(ports, 0, sizeof(ports));
                ports[i] = loopback_port(from);
                assert_int_equal(syn_capture_exclude(capture, ports, i + 1), 0);
                assert_int_equal(count_datagrams(capture, from, to), 0);
                assert_int_equal(count_datagrams(capture, to, from), 3);
                assert_int_equal(syn_capture_exclude(capture, ports, i), 0);
                assert_int_equal(count_datagrams(capture, from, to), 3);
        }
        close(from);
        close(to);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse),
                cmocka_unit_test(test_parse_truncated),
                cmocka_unit_test_setup(test_capture, set_up),
                cmocka_unit_test_setup(test_capture_excludes, set_up),
        };

        return cmocka_run_group_tests_name("syn-capture", tests, NULL, NULL);
}
