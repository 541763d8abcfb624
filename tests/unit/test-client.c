/* SPDX-License-Identifier: MIT */
#include <getopt.h>
#include <locale.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "arguments.h"
#include "bar.h"
#include "csv.h"
#include "dbus/json_text.h"
#include "escape.h"
#include "format_units.h"
#include "json_message.h"
#include "process_row.h"
#include "screen.h"
#include "support/test.h"
#include "util/macros.h"
#include "verbs.h"

static void test_units(void **state) {
        static const struct {
                uint64_t bytes;
                const char *text;
        } cases[] = {
                {0, "0 B"},
                {999, "999 B"},
                {1000, "1.0 kB"},
                {1049, "1.0 kB"},
                {1050, "1.1 kB"},
                {9949, "9.9 kB"},
                {9950, "10 kB"},
                {339000, "339 kB"},
                {999499, "999 kB"},
                {999500, "1.0 MB"},
                {1000000, "1.0 MB"},
                {999999999, "1.0 GB"},
                {1500000000, "1.5 GB"},
                {UINT64_MAX, "18 EB"},
        };
        char text[UNITS_MAX];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(format_bytes(cases[i].bytes, text), cases[i].text);
        assert_string_equal(format_rate(12345678, text), "12 MB/s");
}

/* Reads a command line as the program would. Returns -1 where it is to go on, or its exit status. */
static int read_arguments(struct arguments *arguments, const char *line) {
        char *copy = strdup(line), *words[16], *saved = NULL;
        int n = 0, status = -1;

        words[n++] = (char *) "netflowctl";
        for (char *word = strtok_r(copy, " ", &saved); word; word = strtok_r(NULL, " ", &saved))
                words[n++] = word;
        words[n] = NULL;
        optind = 0; /* start anew: getopt(3) */
        if (arguments_read(n, words, arguments, &status))
                status = -1;
        free(copy);
        return status;
}

static void test_arguments(void **state) {
        static const char *const bad[] = {
                "nonsense",  "show",       "show x",     "show 0",          "rank extra",
                "--limit x", "--limit -1", "--recent 0", "--recent 301",    "--recent=",
                "--watch=0", "--nonsense", "show 1 2",   "show 4294967296",
                "--json --csv", "show 1 --csv --watch", "--format waybar", "monitor --format x", "monitor --json --format waybar", "monitor --csv", "start --csv", "stop --watch", "monitor --watch",
                "flows --no-loopback", "show 1 --no-loopback", "--no-loopback=1",
        };
        struct arguments arguments;

        (void) state;
        assert_int_equal(read_arguments(&arguments, ""), -1);
        assert_string_equal(arguments.verb->name, "rank");
        assert_int_equal(arguments.limit, 10);
        assert_int_equal(arguments.recent, 3);
        assert_int_equal(arguments.watch, 0);
        assert_int_equal(
                read_arguments(&arguments, "rank --limit 5 --recent 300 --json --no-legend --standalone"),
                -1);
        assert_true(arguments.json && arguments.no_legend && arguments.standalone);
        assert_int_equal(arguments.recent, 300);
        assert_false(arguments.no_loopback);
        assert_int_equal(read_arguments(&arguments, "--no-loopback"), -1);
        assert_true(arguments.no_loopback);
        assert_int_equal(read_arguments(&arguments, "top --no-loopback"), -1);
        assert_int_equal(read_arguments(&arguments, "show 42"), -1);
        assert_int_equal(arguments.pid, 42);
        assert_int_equal(read_arguments(&arguments, "--watch"), -1);
        assert_int_equal(arguments.watch, 1);
        assert_int_equal(read_arguments(&arguments, "--watch 7 status"), -1);
        assert_int_equal(arguments.watch, 7);
        assert_string_equal(arguments.verb->name, "status");
        assert_int_equal(read_arguments(&arguments, "--watch=9"), -1);
        assert_int_equal(arguments.watch, 9);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(read_arguments(&arguments, bad[i]), 2);
}

/* A message that has been sent to nobody, ready to be read. */
static sd_bus_message *new_message(sd_bus **ret_bus) {
        sd_bus_message *message = NULL;
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_true(sd_bus_new(ret_bus) >= 0);
        assert_true(sd_bus_set_fd(*ret_bus, fds[0], fds[0]) >= 0);
        assert_true(sd_bus_start(*ret_bus) >= 0);
        close(fds[1]);
        assert_true(sd_bus_message_new_signal(*ret_bus, &message, "/a", "a.b", "C") >= 0);
        return message;
}

static void test_message_to_json(void **state) {
        struct json_object *json;
        sd_bus *bus;
        sd_bus_message *message = new_message(&bus);

        (void) state;
        assert_true(sd_bus_message_append(message, "aa{sv}", 1, 4, "pid", "u", 4294967295u, "name", "s",
                                          "a\"b", "big", "t", UINT64_MAX, "ring", "a(xtt)", 1,
                                          (int64_t) 1700000000, (uint64_t) 1, (uint64_t) 2) >= 0);
        assert_true(sd_bus_message_append(message, "u", 7u) >= 0);
        assert_true(sd_bus_message_seal(message, 1, 0) >= 0);
        assert_int_equal(json_from_message(message, &json), 0);
        assert_string_equal(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN),
                            "[{\"pid\":4294967295,\"name\":\"a\\\"b\",\"big\":18446744073709551615,"
                            "\"ring\":[{\"timestamp\":1700000000,\"in\":1,\"out\":2}]}]");
        json_object_put(json);
        assert_int_equal(json_from_message(message, &json), 0);
        assert_int_equal(json_object_get_int(json), 7);
        json_object_put(json);
        assert_true(json_from_message(message, &json) < 0); /* the end */
        sd_bus_message_unref(message);
        sd_bus_unref(bus);
}

static void test_row_leaves_out_what_is_not_told(void **state) {
        struct json_object *json =
                json_tokener_parse("{\"name\": \"curl\", \"processes\": 12, \"total\": {\"in\": 5}}");
        struct process_row row;
        char title[64];

        (void) state;
        process_row_read(json, &row);
        assert_false(row.has_pid);
        assert_false(row.has_inode_count);
        assert_null(row.exe);
        assert_int_equal(row.total_in, 5);
        assert_int_equal(row.in, 0);
        assert_string_equal(process_row_title(&row, title), "curl (×12)");
        json_object_put(json);
}

static void test_text_that_may_come_from_anywhere(void **state) {
        static const struct {
                const char *text, *shown;
                size_t width;
        } cases[] = {
                {"", "", 0},
                {"curl", "curl", 4},
                {"a b\\x2d", "a b\\x2d", 7}, /* as units are named */
                {"\x1b[31mred\n\t\x7f", "\\x1b[31mred\\x0a\\x09\\x7f", 23},
                {"\u00e4\u65e5\u672c", "\u00e4\u65e5\u672c", 5},
                {"e\u0301", "e\u0301", 1},
                {"\xc2\x9b" "2J", "\\xc2\\x9b2J", 10},            /* CSI in one character */
                {"\u202egpj", "\\xe2\\x80\\xaegpj", 15},       /* from right to left */
                {"\xff\xc3(\xe6\x97", "\\xff\\xc3(\\xe6\\x97", 17}, /* no UTF-8, and broken off */
                {"\xed\xa0\x80", "\\xed\\xa0\\x80", 12},         /* a surrogate */
        };

        (void) state;
        assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *shown = escape_text(cases[i].text);

                assert_string_equal(shown, cases[i].shown);
                assert_int_equal(escape_width(shown), cases[i].width);
                free(shown);
        }
        assert_non_null(setlocale(LC_CTYPE, "C"));
        for (int byte = 1; byte < 256; byte++) {
                const char text[] = {(char) byte, '\0'};
                char *shown = escape_text(text);

                assert_int_equal(strlen(shown), byte >= 0x20 && byte < 0x7f ? 1 : 4);
                free(shown);
        }
}

static void test_json_for_a_terminal(void **state) {
        static const char *const texts[] = {"\x1b[2J\x7f\"\\\n", "\xc2\x9bK\xc2\x80\u00e4", "\u202e\u65e5\U0001f600\u2069"};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                struct json_object *read;
                char *document = NULL;
                size_t size;
                FILE *out = open_memstream(&document, &size);

                json_write_text(out, texts[i]);
                assert_int_equal(fclose(out), 0);
                for (const char *c = document; *c; c++)
                        assert_true((unsigned char) *c >= 0x20 && *c != 0x7f);
                assert_null(strstr(document, "\xc2\x9b"));
                assert_null(strstr(document, "\u202e"));
                read = json_tokener_parse(document);
                assert_string_equal(json_object_get_string(read), texts[i]);
                json_object_put(read);
                free(document);
        }
}

static void test_title_is_cut_between_characters(void **state) {
        struct process_row row = {.name = "123456789012345678901234567890123456789\u65e5\u672c"};
        char title[64];

        (void) state;
        assert_string_equal(process_row_title(&row, title), "123456789012345678901234567890123456789");
        row.name = "1234567890123456789012345678901234567\u65e5\u672c";
        assert_string_equal(process_row_title(&row, title), "1234567890123456789012345678901234567\u65e5");
}

/* What csv_print() writes. The caller frees it. */
static char *csv_of(const char *json, const struct output *output, const struct arguments *arguments) {
        static const char *const columns[] = {"name", "total.in", "total.none"};
        struct json_object *array = json_tokener_parse(json);
        FILE *before = stdout;
        char *text = NULL;
        size_t size;

        stdout = open_memstream(&text, &size); /* glibc: a variable like any other */
        csv_print(output, arguments, array, columns, ELEMENTSOF(columns));
        (void) fclose(stdout);
        stdout = before;
        json_object_put(array);
        return text;
}

static void test_csv(void **state) {
        static const struct {
                const char *json, *csv;
        } cases[] = {
                {"[]", ""},
                {"[{}]", ",,\n"},
                {"[{\"name\": \"a b\", \"total\": {\"in\": 18446744073709551615}}]",
                 "a b,18446744073709551615,\n"},
                {"[{\"name\": \"a,b\"}, {\"name\": \"say \\\"hi\\\"\"}]", "\"a,b\",,\n\"say \"\"hi\"\"\",,\n"},
                {"[{\"name\": \"a\\nb\\r\"}]", "\"a\nb\r\",,\n"},
                {"[{\"name\": \"\\u001b[31m\"}]", "\"\x1b[31m\",,\n"},
                {"[{\"name\": \" a\"}, {\"name\": \"=1+1\"}]", "\" a\",,\n=1+1,,\n"},
        };
        struct arguments arguments = {.no_legend = true};
        struct output output = {};
        char *text;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                text = csv_of(cases[i].json, &output, &arguments);
                assert_string_equal(text, cases[i].csv);
                free(text);
        }
        arguments.no_legend = false;
        text = csv_of("[]", &output, &arguments);
        assert_string_equal(text, "name,total.in,total.none\n");
        free(text);
        output.turn = 1; /* repeated: the names are there */
        text = csv_of("[{\"name\": \"x\"}]", &output, &arguments);
        assert_string_equal(text, "x,,\n");
        free(text);
        output.terminal = true;
        text = csv_of("[{\"name\": \"\\u001b[31m\\n,\"}]", &output, &arguments);
        assert_string_equal(text, "\"\\x1b[31m\\x0a,\",,\n");
        free(text);
}

/* What bar_print() writes. The caller frees it. */
static char *bar_of(const char *format, const char *json) {
        struct json_object *processes = json ? json_tokener_parse(json) : NULL;
        FILE *before = stdout;
        char *text = NULL;
        size_t size;

        stdout = open_memstream(&text, &size);
        bar_print(format, processes);
        (void) fclose(stdout);
        stdout = before;
        json_object_put(processes);
        return text;
}

static void test_bar(void **state) {
        static const struct {
                const char *format, *json, *line;
        } cases[] = {
                {"waybar", NULL,
                 "{\"text\":\"–\",\"tooltip\":\"netflowd is not running\",\"class\":\"disconnected\"}\n"},
                {"waybar", "[]", "{\"text\":\"↓0 B/s ↑0 B/s\",\"tooltip\":\"\",\"class\":\"idle\"}\n"},
                {"waybar",
                 "[{\"name\": \"<b>&'\", \"traffic_stats\": {\"in_rate\": 400, \"out_rate\": 0}}, {\"name\": \"rests\"},"
                 " {\"name\": \"a\\u001b\\\"\", \"traffic_stats\": {\"in_rate\": 5, \"out_rate\": 2000}}]",
                 "{\"text\":\"↓405 B/s ↑2.0 kB/s\",\"tooltip\":\"&lt;b&gt;&amp;&#39;  ↓400 B/s ↑0 B/s\\n"
                 "a\\\\x1b&quot;  ↓5 B/s ↑2.0 kB/s\",\"class\":\"active\"}\n"},
                {"waybar", "[{\"name\": \"x\", \"traffic_stats\": {\"in_rate\": 1, \"out_rate\": 999999}}]",
                 "{\"text\":\"↓1 B/s ↑1.0 MB/s\",\"tooltip\":\"x  ↓1 B/s ↑1.0 MB/s\",\"class\":\"busy\"}\n"},
                {"i3blocks", "[{\"name\": \"x\", \"traffic_stats\": {\"in_rate\": 1, \"out_rate\": 2}}]",
                 "↓1 B/s ↑2 B/s\n"},
                {"i3blocks", NULL, "–\n"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char *line = bar_of(cases[i].format, cases[i].json);

                assert_string_equal(line, cases[i].line);
                free(line);
        }
}

static void test_screen(void **state) {
        struct screen screen = {.rows = 4, .columns = 6};
        static const struct {
                const char *text, *bytes;
        } steps[] = {
                {"a\nb\n", "a\033[K\nb\033[K\n\033[J"},
                {"c\n", "\r\033[2Ac\033[K\n\033[J"},
                /* too wide: cut between characters, colours end; as wide as it is: nothing of it is erased */
                {"1234567\n123456\n12345\u65e5\n", "\r\033[1A123456\n123456\n12345\033[K\n\033[J"},
                {"\033[1m12345678\033[0m9\n", "\r\033[3A\033[1m123456\033[0m\n\033[J"},
                /* too many */
                {"1\n2\n3\n4\n5\n", "\r\033[1A1\033[K\n2\033[K\n3 more\033[K\n\033[J"},
                {"", "\r\033[3A\033[J"},
                {"x\n", "x\033[K\n\033[J"},
        };

        (void) state;
        assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                size_t size;
                char *bytes = screen_paint(&screen, steps[i].text, &size);

                assert_string_equal(bytes, steps[i].bytes);
                assert_int_equal(size, strlen(bytes));
                free(bytes);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_units),
                cmocka_unit_test(test_arguments),
                cmocka_unit_test(test_message_to_json),
                cmocka_unit_test(test_row_leaves_out_what_is_not_told),
                cmocka_unit_test(test_text_that_may_come_from_anywhere),
                cmocka_unit_test(test_json_for_a_terminal),
                cmocka_unit_test(test_csv),
                cmocka_unit_test(test_screen),
                cmocka_unit_test(test_bar),
                cmocka_unit_test(test_title_is_cut_between_characters),
        };

        return cmocka_run_group_tests_name("client", tests, NULL, NULL);
}
