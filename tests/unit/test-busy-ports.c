/* SPDX-License-Identifier: MIT */
#include "engine/busy_ports.h"
#include "support/test.h"
#include "util/clock.h"

/* Returns whether the last of n datagrams made it busy. */
static bool send_many(struct busy_ports *ports, uint16_t port, int n, uint64_t now_usec) {
        bool busy = false;

        while (n-- > 0)
                busy = busy_ports_note(ports, port, now_usec);
        return busy;
}

/* Eight within a second are many; the same over several seconds are not. */
static void test_many(void **state) {
        struct busy_ports ports = {};

        (void) state;
        for (uint64_t i = 1; i <= 100; i++)
                assert_false(busy_ports_note(&ports, 53000, i * USEC_PER_SEC / 4));
        assert_false(busy_ports_have(&ports, 53000));
        assert_false(send_many(&ports, 5000, 7, T0_USEC));
        assert_true(busy_ports_note(&ports, 5000, T0_USEC + 1000));
        assert_true(busy_ports_have(&ports, 5000));
        assert_false(send_many(&ports, 5000, 100, T0_USEC + 2000)); /* said once */
        assert_int_equal(ports.n, 1);
}

static void test_expires(void **state) {
        struct busy_ports ports = {};

        (void) state;
        assert_false(busy_ports_expire(&ports, T0_USEC));
        send_many(&ports, 5000, 8, T0_USEC);
        send_many(&ports, 5001, 8, T0_USEC + 5 * USEC_PER_SEC);
        assert_false(busy_ports_expire(&ports, T0_USEC + 10 * USEC_PER_SEC));
        assert_true(busy_ports_expire(&ports, T0_USEC + 11 * USEC_PER_SEC));
        assert_false(busy_ports_have(&ports, 5000));
        assert_true(busy_ports_have(&ports, 5001));
        assert_true(send_many(&ports, 5000, 8, T0_USEC + 11 * USEC_PER_SEC)); /* it shows again */
}

/* Of all ports there are, the last ones are known; two that share a place push each other out and never are. */
static void test_bounded(void **state) {
        struct busy_ports ports = {};

        (void) state;
        for (uint32_t port = 0; port < 65536; port++)
                assert_true(send_many(&ports, (uint16_t) port, 8, T0_USEC));
        assert_int_equal(ports.n, BUSY_PORTS_MAX);
        assert_true(busy_ports_have(&ports, 65535));
        assert_false(busy_ports_have(&ports, 65535 - BUSY_PORTS_MAX));
        for (int i = 0; i < 100; i++) {
                assert_false(busy_ports_note(&ports, 1, T0_USEC));
                assert_false(busy_ports_note(&ports, 257, T0_USEC));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_many),
                cmocka_unit_test(test_expires),
                cmocka_unit_test(test_bounded),
        };

        return cmocka_run_group_tests_name("busy-ports", tests, NULL, NULL);
}
