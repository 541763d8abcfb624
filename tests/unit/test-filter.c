/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <linux/filter.h>
#include <pcap/pcap.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "source/filter.h"
#include "source/pcap_handle.h"
#include "support/test.h"
#include "util/clock.h"

#define ETHERNET "\2\0\0\0\0\2\2\0\0\0\0\1"
#define TAG(id)  "\x81\0\0" id
#define IPV4_UDP                                                     \
        "\x08\0\x45\0\0\x1c\0\1\0\0\x40\x11\0\0\xc0\0\2\1\xc0\0\2\2" \
        "\x9c\x40\0\x35\0\x08\0\0"

static int open_filter(const char *text, unsigned link_types, struct filter **ret_filter,
                       struct source_error *ret_error) {
        *ret_error = (struct source_error){};
        *ret_filter = NULL;
        return filter_new(text, SNAPLEN, link_types, NULL, ret_filter, ret_error);
}

/* Asks the kernel: what libpcap compiles for it looks beside the frame too. */
static bool lets_pass(const struct filter *filter, int link_type, const void *frame, size_t size) {
        struct sock_fprog code;
        struct source_error error;
        struct bpf_program program;
        uint8_t buffer[512];
        int sockets[2];
        ssize_t n;

        assert_int_equal(filter_program(filter, link_type, &program, &error), 0);
        code = (struct sock_fprog){.len = (unsigned short) program.bf_len,
                                   .filter = (struct sock_filter *) program.bf_insns};
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets), 0);
        assert_int_equal(setsockopt(sockets[1], SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)), 0);
        memset(buffer, 0, sizeof(buffer));
        memcpy(buffer, frame, size);
        assert_int_equal(send(sockets[0], buffer, sizeof(buffer), 0), sizeof(buffer));
        n = recv(sockets[1], buffer, sizeof(buffer), MSG_DONTWAIT);
        assert_true(n == SNAPLEN || n < 0); /* what is behind the snap length is cut off in the kernel */
        close(sockets[0]);
        close(sockets[1]);
        return n > 0;
}

#define PASSES(filter, frame) lets_pass(filter, DLT_EN10MB, frame, sizeof(frame) - 1)

/* Only IP comes, and that with none, one or two VLAN tags inside the frame. */
static void test_ours(void **state) {
        struct source_error error;
        struct filter *filter;

        (void) state;
        assert_int_equal(open_filter(NULL, FILTER_DEVICES | FILTER_ANY, &filter, &error), 0);
        assert_true(PASSES(filter, ETHERNET IPV4_UDP));
        assert_true(PASSES(filter, ETHERNET TAG("\5") IPV4_UDP));
        assert_true(PASSES(filter, ETHERNET TAG("\5") TAG("\6") IPV4_UDP));
        assert_false(PASSES(filter, ETHERNET "\x08\6" IPV4_UDP));
        assert_false(PASSES(filter, ETHERNET TAG("\5") "\x08\6" IPV4_UDP));
        assert_true(lets_pass(filter, DLT_RAW, &IPV4_UDP[2], sizeof(IPV4_UDP) - 3));
        filter_free(filter);
        for (size_t i = 0; i < 3; i++) {
                const char *const blank[] = {"", " \t\n", NULL};

                assert_int_equal(open_filter(blank[i], FILTER_ANY, &filter, &error), 0);
                filter_free(filter);
        }
}

/* The user's expression is one operand, and means the same inside a tag. */
static void test_users(void **state) {
        struct source_error error;
        struct filter *filter;

        (void) state;
        assert_int_equal(open_filter("tcp or udp port 53", FILTER_DEVICES, &filter, &error), 0);
        assert_true(PASSES(filter, ETHERNET IPV4_UDP));
        assert_true(PASSES(filter, ETHERNET TAG("\5") IPV4_UDP));
        filter_free(filter);

        assert_int_equal(open_filter("udp port 54 or arp", FILTER_DEVICES, &filter, &error), 0);
        assert_false(PASSES(filter, ETHERNET IPV4_UDP));
        assert_false(PASSES(filter, ETHERNET TAG("\5") IPV4_UDP));
        assert_false(PASSES(filter, ETHERNET "\x08\6" IPV4_UDP)); /* no IP: not ours */
        filter_free(filter);

        assert_int_equal(open_filter("vlan 5", FILTER_DEVICES, &filter, &error), 0);
        assert_true(PASSES(filter, ETHERNET TAG("\5") IPV4_UDP));
        assert_false(PASSES(filter, ETHERNET TAG("\6") IPV4_UDP));
        assert_false(PASSES(filter, ETHERNET IPV4_UDP));
        filter_free(filter);
}

/* Compiled for each link type: it may go with one, and not with another. */
static void test_link_types(void **state) {
        struct source_error error;
        struct bpf_program program;
        struct filter *filter;

        (void) state;
        assert_int_equal(open_filter("ether host 2:0:0:0:0:1", FILTER_DEVICES, &filter, &error), 0);
        assert_true(PASSES(filter, ETHERNET IPV4_UDP));
        assert_int_equal(filter_program(filter, DLT_RAW, &program, &error), -EINVAL);
        assert_non_null(strstr(error.text, "ethernet addresses supported only on"));
        assert_int_equal(filter_program(filter, DLT_LINUX_SLL2, &program, &error), -EPROTONOSUPPORT);
        assert_int_equal(filter_program(filter, DLT_IEEE802_11_RADIO, &program, &error), -EPROTONOSUPPORT);
        assert_non_null(strstr(error.text, "IEEE802_11_RADIO"));
        filter_free(filter);
        assert_int_equal(open_filter("ether host 2:0:0:0:0:1", FILTER_ANY, &filter, &error), -EINVAL);
}

/* In libpcap's own words, and where. */
static void test_errors(void **state) {
        static const struct {
                const char *text, *words, *where;
        } bad[] = {
                {"udp and", "syntax error", ", at the end"},
                {"udp and nonsense", "syntax error", ", at character 9"},
                {"tcp  and and udp", "syntax error", ", at character 10"},
                {"and", "syntax error", ", at character 1"},
                {"(tcp", "syntax error", ", at the end"},
                {"tcp) or (udp", "syntax error", ", at character 4"},
                {"tcp or (udp and port) or icmp", "syntax error", ", at character 21"},
                {"tcp port htttp", "unknown port 'htttp'", ", at character 10"},
                {"tcp and host 10.0.0.300", "invalid IPv4 address '10.0.0.300'", ", at character 14"},
                {"port 99999", "illegal port number 99999 > 65535", ""},
                {"arp", "expression rejects all packets", ""},
                {"tcp and $", "syntax error", ", at character 9"},
        };
        struct source_error error;
        struct filter *filter;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(open_filter(bad[i].text, FILTER_DEVICES, &filter, &error), -EINVAL);
                assert_null(filter);
                assert_non_null(strstr(error.text, bad[i].text));
                assert_non_null(strstr(error.text, bad[i].words));
                assert_string_equal(error.text + strlen(error.text) - strlen(bad[i].where), bad[i].where);
        }
}

static void count_turn(void *userdata) {
        (*(unsigned *) userdata)++;
}

/* libpcap would work on some of these for hours. None may be left behind, nor hold up its caller's work. */
static void test_long(void **state) {
        static const char *const units[] = {"host 10.0.0.%u or ", "(%.0u", "not %.0u", "%.0u "};
        unsigned turns = 0;
        const struct source_waiting waiting = {.call = count_turn, .userdata = &turns};
        char *text = malloc(FILTER_BYTES_MAX + 64);
        struct source_error error;
        struct filter *filter;

        (void) state;
        assert_non_null(text);
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                size_t n = 0;
                int r;

                for (unsigned k = 0; n < FILTER_BYTES_MAX - 64; k = (k + 1) % 200) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                        n += (size_t) snprintf(text + n, 64, units[i], k);
#pragma GCC diagnostic pop
                }
                (void) snprintf(text + n, 64, "tcp");
                filter = NULL;
                r = filter_new(text, SNAPLEN, FILTER_DEVICES, &waiting, &filter, &error);
                assert_true(r == 0 || r == -EINVAL || r == -ETIMEDOUT);
                if (i == 0) {
                        assert_int_equal(r, -ETIMEDOUT);
                        assert_true(turns > 10);
                }
                filter_free(filter);
                assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
                assert_int_equal(errno, ECHILD);
        }
        memset(text, ' ', FILTER_BYTES_MAX);
        memcpy(text, "tcp", 3);
        text[FILTER_BYTES_MAX] = '\0';
        assert_int_equal(open_filter(text, FILTER_DEVICES, &filter, &error), 0);
        filter_free(filter);
        text[FILTER_BYTES_MAX] = ' ';
        text[FILTER_BYTES_MAX + 1] = '\0';
        assert_int_equal(open_filter(text, FILTER_DEVICES, &filter, &error), -EINVAL);
        assert_non_null(strstr(error.text, "longer than 65535"));
        free(text);
}

/* As many addresses as people have in a list are no problem. */
static void test_sixty_hosts(void **state) {
        char text[4096] = "host 10.0.0.0";
        struct source_error error;
        struct filter *filter;
        size_t n = strlen(text);

        (void) state;
        for (unsigned i = 1; i < 60; i++)
                n += (size_t) snprintf(text + n, sizeof(text) - n, " or host 10.0.0.%u", i);
        assert_int_equal(open_filter(text, FILTER_DEVICES | FILTER_ANY, &filter, &error), 0);
        filter_free(filter);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ours),       cmocka_unit_test(test_users),
                cmocka_unit_test(test_link_types), cmocka_unit_test(test_errors),
                cmocka_unit_test(test_long),       cmocka_unit_test(test_sixty_hosts),
        };

        return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
