/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <syslog.h>

#include "dbus/units.h"
#include "support/test.h"
#include "util/log.h"
#include "util/macros.h"

static void test_spans(void **state) {
        static const struct {
                const char *text;
                uint64_t usec;
        } good[] = {
                {"0", 0},
                {"5", 5000000},
                {" 5 ", 5000000},
                {"1.5", 1500000},
                {"0.000001", 1},
                {"0.0000019", 1},
                {"250ms", 250000},
                {"3us", 3},
                {"3µs", 3},
                {"3μs", 3},
                {"1min 30s", 90000000},
                {"1min30s", 90000000},
                {"300ms20s 5day", UINT64_C(432020300000)},
                {"2 h", UINT64_C(7200000000)},
                {"2hours", UINT64_C(7200000000)},
                {"48hr", UINT64_C(172800000000)},
                {"1w", UINT64_C(604800000000)},
                {"1m", 60000000},
                {"1M", UINT64_C(2629800000000)},
                {"1y 12month", UINT64_C(63115200000000)},
                {"1.5h", UINT64_C(5400000000)},
                {"18446744073709551614us", UINT64_MAX - 1},
                {"infinity", UNITS_INFINITY},
                {" infinity ", UNITS_INFINITY},
        };
        static const struct {
                const char *text;
                int error;
        } bad[] = {
                {"", -EINVAL},
                {" ", -EINVAL},
                {"s", -EINVAL},
                {"-1", -EINVAL},
                {"+1", -EINVAL},
                {"1x", -EINVAL},
                {"1 2", -EINVAL},
                {"1min 30", -EINVAL},
                {"30 1min", -EINVAL},
                {".5s", -EINVAL},
                {"1.s", -EINVAL},
                {"1.5.5s", -EINVAL},
                {"1,5s", -EINVAL},
                {"0x10", -EINVAL},
                {"1e3", -EINVAL},
                {"Infinity", -EINVAL},
                {"infinity 1s", -EINVAL},
                {"1s infinity", -EINVAL},
                {"1S", -EINVAL},
                {"1ss", -EINVAL},
                {"1s;", -EINVAL},
                {"18446744073709551615us", -ERANGE},
                {"18446744073709551616us", -ERANGE},
                {"18446744073709551615", -ERANGE},
                {"600000y", -ERANGE},
                {"18446744073709551614us 1us", -ERANGE},
                {"18446744073709.9s", -ERANGE},
                {"18446744073709.551615s", -ERANGE},
        };
        uint64_t usec = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                char text[UNITS_TEXT_MAX];

                assert_int_equal(parse_span(good[i].text, &usec), 0);
                assert_true(usec == good[i].usec);
                units_format_span(usec, text);
                usec++;
                assert_int_equal(parse_span(text, &usec), 0);
                assert_true(usec == good[i].usec);
        }
        usec = 77;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (parse_span(bad[i].text, &usec) != bad[i].error)
                        fail_msg("\"%s\" is not refused with %d", bad[i].text, bad[i].error);
        assert_true(usec == 77);
}

static void test_sizes(void **state) {
        static const struct {
                const char *text;
                uint64_t bytes;
        } good[] = {
                {"0", 0},
                {"1", 1},
                {"5B", 5},
                {"64K", 65536},
                {"1M", 1u << 20},
                {"3G", UINT64_C(3) << 30},
                {"2T", UINT64_C(2) << 40},
                {"16777215T", UINT64_C(16777215) << 40},
                {"infinity", UNITS_INFINITY},
        };
        static const char *const bad[] = {"", "K", "1k", "1KB", "1 K", "1.5M", "-1", "1K1", "1P"},
                                 *const too_large[] = {"16777216T", "18446744073709551615",
                                                       "99999999999999999999"};
        uint64_t bytes = 0;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                char text[UNITS_TEXT_MAX];

                assert_int_equal(parse_size(good[i].text, &bytes), 0);
                assert_true(bytes == good[i].bytes);
                units_format_size(bytes, text);
                bytes++;
                assert_int_equal(parse_size(text, &bytes), 0);
                assert_true(bytes == good[i].bytes);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_size(bad[i], &bytes), -EINVAL);
        for (size_t i = 0; i < ELEMENTSOF(too_large); i++)
                assert_int_equal(parse_size(too_large[i], &bytes), -ERANGE);
}

static void test_log_levels(void **state) {
        static const char *const bad[] = {"", "8", "-1", "00", "07", "Info", "error", "info "};

        (void) state;
        for (int level = LOG_EMERG; level <= LOG_DEBUG; level++) {
                char number[2] = {(char) ('0' + level)};

                assert_int_equal(log_level_from_name(log_level_name(level)), level);
                assert_int_equal(log_level_from_name(number), level);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(log_level_from_name(bad[i]), -EINVAL);
        log_set_level(LOG_WARNING);
        assert_true(log_enabled(LOG_EMERG) && log_enabled(LOG_WARNING) && !log_enabled(LOG_NOTICE));
        log_set_level(LOG_DEBUG);
        assert_true(log_enabled(LOG_DEBUG));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_spans),
                cmocka_unit_test(test_sizes),
                cmocka_unit_test(test_log_levels),
        };

        return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
