/* SPDX-License-Identifier: MIT */
#include "account/traffic.h"
#include "support/test.h"

#define USEC UINT64_C(1000000)

static void test_window_is_whole_closed_seconds(void **state) {
        struct traffic traffic = {};
        struct window window;

        (void) state;
        for (uint64_t second = 0; second < 10; second++)
                assert_int_equal(traffic_add(&traffic, false, T0_USEC + second * USEC, 100 + second, 1), 0);

        /* at T0 + 5.9 s the second 5 is still under way, and just 3 buckets count, not 4 */
        traffic_window(&traffic, T0_USEC + 5 * USEC + 900000, 3, &window);
        assert_int_equal(window.in, 102 + 103 + 104);
        assert_int_equal(window.in_rate, (102 + 103 + 104) / 3);
        traffic_window(&traffic, T0_USEC + 6 * USEC, 1, &window);
        assert_int_equal(window.in, 105);
        traffic_window(&traffic, T0_USEC + 400 * USEC, 300, &window);
        assert_int_equal(window.in, 0);
        traffic_done(&traffic);
}

static void test_bucket_is_of_the_packets_own_time(void **state) {
        struct traffic traffic = {};

        (void) state;
        (void) traffic_add(&traffic, true, T0_USEC + 5 * USEC, 5, 1);
        (void) traffic_add(&traffic, true, T0_USEC + 3 * USEC, 3, 1); /* read later, sent earlier */
        (void) traffic_add(&traffic, false, T0_USEC + 4 * USEC, 4, 1);
        (void) traffic_add(&traffic, true, T0_USEC + 3 * USEC + 999999, 1, 1);
        assert_int_equal(traffic.ring.n, 3);
        assert_int_equal(traffic.ring.buckets[0].second, T0 + 3);
        assert_int_equal(traffic.ring.buckets[0].out, 4);
        assert_int_equal(traffic.ring.buckets[1].in, 4);
        assert_int_equal(traffic.ring.buckets[2].second, T0 + 5);
        assert_int_equal(traffic.out, 9);
        assert_int_equal(traffic.packets_out, 3);
        assert_int_equal(traffic.since_usec, T0_USEC + 3 * USEC);
        traffic_done(&traffic);
}

static void test_ring_is_bounded_and_totals_are_not(void **state) {
        struct traffic traffic = {};

        (void) state;
        for (uint64_t second = 0; second < 1000; second++)
                assert_int_equal(traffic_add(&traffic, false, T0_USEC + second * USEC, 1, 1), 0);
        assert_int_equal(traffic.ring.n, RING_SECONDS + 2);
        assert_int_equal(traffic.ring.buckets[0].second, T0 + 1000 - (RING_SECONDS + 2));
        assert_int_equal(traffic_add(&traffic, false, T0_USEC, 1, 1), 0); /* older than all: totals only */
        assert_int_equal(traffic.ring.n, RING_SECONDS + 2);
        assert_int_equal(traffic.ring.buckets[0].second, T0 + 1000 - (RING_SECONDS + 2));
        assert_int_equal(traffic.in, 1001);

        ring_trim(&traffic.ring, T0 + 998, T0 + 999); /* the clock went back to T0 + 997 */
        assert_int_equal(traffic.ring.n, 1);
        assert_int_equal(ring_newest(&traffic.ring), T0 + 998);
        ring_trim(&traffic.ring, T0 + 2000, T0 + 2300);
        assert_int_equal(traffic.ring.n, 0);
        assert_null(traffic.ring.buckets);
        traffic_done(&traffic);
}

/* A steady rate shows as itself once many time constants have passed, and falls to 1/e in one. */
static void test_ewma_has_its_time_constant(void **state) {
        struct ring ring = {};
        uint64_t in, out;

        (void) state;
        for (uint64_t second = 0; second < 200; second++)
                assert_int_equal(ring_add(&ring, T0 + second, 1000000, 500), 0);
        ring_ewma(&ring, T0 + 200, &in, &out);
        assert_in_range(in, 999998, 1000000);
        assert_in_range(out, 499, 500);
        ring_ewma(&ring, T0 + 200 + RING_EWMA_SECONDS, &in, &out);
        assert_in_range(in, 367870, 367890); /* 1e6 / e = 367879 */
        ring_done(&ring);
        ring_ewma(&ring, T0, &in, &out);
        assert_int_equal(in, 0);
}

static void test_merge_adds_everything(void **state) {
        struct traffic a = {}, b = {};

        (void) state;
        (void) traffic_add(&a, false, T0_USEC + 2 * USEC, 10, 1);
        (void) traffic_add(&b, true, T0_USEC + 1 * USEC, 7, 2);
        (void) traffic_add(&b, false, T0_USEC + 2 * USEC, 5, 1);
        assert_int_equal(traffic_merge(&a, &b), 0);
        assert_int_equal(a.in, 15);
        assert_int_equal(a.out, 7);
        assert_int_equal(a.packets_in + a.packets_out, 4);
        assert_int_equal(a.since_usec, T0_USEC + USEC);
        assert_int_equal(a.last_usec, T0_USEC + 2 * USEC);
        assert_int_equal(a.ring.n, 2);
        traffic_clear(&b);
        assert_int_equal(traffic_merge(&a, &b),
                         0); /* nothing: changes nothing, the first stamp least of all */
        assert_int_equal(a.since_usec, T0_USEC + USEC);
        traffic_done(&a);
        traffic_done(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_window_is_whole_closed_seconds),
                cmocka_unit_test(test_bucket_is_of_the_packets_own_time),
                cmocka_unit_test(test_ring_is_bounded_and_totals_are_not),
                cmocka_unit_test(test_ewma_has_its_time_constant),
                cmocka_unit_test(test_merge_adds_everything),
        };

        return cmocka_run_group_tests_name("traffic", tests, NULL, NULL);
}
