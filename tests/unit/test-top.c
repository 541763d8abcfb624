/* SPDX-License-Identifier: MIT */
#define NCURSES_NOMACROS
#include <curses.h>
#include <locale.h>
#include <wchar.h>

#include "support/test.h"
#include "top_keys.h"
#include "top_layout.h"
#include "top_model.h"
#include "top_row.h"
#include "top_text.h"
#include "util/macros.h"

static struct json_object *parse(const char *text) {
        struct json_object *json = json_tokener_parse(text);

        assert_non_null(json);
        return json;
}

static void read_rank(struct top_model *model, const char *text, int64_t second) {
        struct json_object *json = parse(text);

        assert_int_equal(top_model_read_rank(model, json, second, 0, TOP_SORT_TOTAL), 0);
        json_object_put(json);
}

/* The names that are shown, in order. */
static void assert_shown(const struct top_model *model, const char *expected) {
        char shown[256] = "";

        for (size_t i = 0; i < model->n_shown; i++) {
                strcat(shown, i > 0 ? " " : "");
                strcat(shown, model->shown[i]->name);
        }
        assert_string_equal(shown, expected);
}

/* 1700000000 is T0. */
#define RANK                                                                                           \
        "[{\"pid\":7,\"name\":\"Curl\",\"user\":\"anna\",\"unit\":\"a.service\",\"start_time_usec\":"  \
        "5000000,"                                                                                     \
        "  "                                                                                           \
        "\"traffic_stats\":{\"in\":300,\"out\":3,\"in_rate\":100,\"out_rate\":1},\"total\":{\"in\":1," \
        "\"out\":9},"                                                                                  \
        "  \"ring\":[{\"timestamp\":1700000000,\"in\":300,\"out\":3}]},"                               \
        " {\"pid\":5,\"name\":\"bash\",\"user\":\"bert\",\"exe\":\"/bin/bash\","                       \
        "  "                                                                                           \
        "\"traffic_stats\":{\"in\":30,\"out\":60,\"in_rate\":10,\"out_rate\":20},\"total\":{\"in\":5," \
        "\"out\":5}},"                                                                                 \
        " {\"name\":\"wget\",\"state\":\"exited\",\"processes\":4,\"total\":{\"in\":70,\"out\":7}},"   \
        " {\"pid\":6,\"name\":\"awk\",\"total\":{\"in\":7,\"out\":70}}]"

static void test_order(void **state) {
        struct top_model model;

        (void) state;
        top_model_init(&model);
        read_rank(&model, RANK, T0);
        assert_shown(
                &model,
                "Curl bash wget awk"); /* the last two by all they had, and the one without a pid first */
        top_model_set_sort(&model, TOP_SORT_OUT);
        assert_shown(&model, "bash Curl awk wget");
        top_model_set_sort(&model, TOP_SORT_IN);
        assert_shown(&model, "Curl bash wget awk");
        top_model_set_sort(&model, TOP_SORT_NAME);
        assert_shown(&model, "awk bash Curl wget");
        top_model_done(&model);
}

static void test_filter(void **state) {
        static const struct {
                const char *filter, *shown;
        } cases[] = {{"CURL", "Curl"}, {"bert", "bash"}, {"/bin/", "bash"},         {"a.serv", "Curl"},
                     {"6", "awk"},     {"nobody", ""},   {"", "Curl bash wget awk"}};
        struct top_model model;

        (void) state;
        top_model_init(&model);
        read_rank(&model, RANK, T0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                top_model_set_filter(&model, cases[i].filter);
                assert_shown(&model, cases[i].shown);
        }
        top_model_set_filter(&model, "a"); /* it holds for what comes as well */
        read_rank(&model, "[{\"name\":\"zzz\"},{\"name\":\"bar\"}]", T0);
        assert_shown(&model, "bar");
        top_model_done(&model);
}

/* The cursor stays with whom it is on, and on the first place as long as nobody has moved it. */
static void test_selection(void **state) {
        struct top_model model;

        (void) state;
        top_model_init(&model);
        assert_int_equal(top_model_selected(&model), 0);
        top_model_select(&model, 5);
        read_rank(&model, RANK, T0);
        top_model_set_sort(&model, TOP_SORT_NAME);
        assert_int_equal(top_model_selected(&model), 0);
        top_model_select(&model, 2); /* Curl */
        top_model_set_sort(&model, TOP_SORT_TOTAL);
        assert_int_equal(top_model_selected(&model), 0);
        top_model_set_sort(&model, TOP_SORT_NAME);
        assert_int_equal(top_model_selected(&model), 2);
        top_model_select(&model, 99);
        assert_int_equal(top_model_selected(&model), 3);
        top_model_set_loopback(&model, true); /* other amounts, but the same processes */
        assert_int_equal(model.n_shown, 0);
        read_rank(&model, RANK, T0);
        assert_int_equal(top_model_selected(&model), 3);
        top_model_set_group(&model, TOP_BY_APP);
        assert_int_equal(model.n_shown, 0);
        assert_int_equal(top_model_selected(&model), 0);
        top_model_done(&model);
}

static uint64_t second_of(const struct top_model *model, const char *name, int64_t second) {
        uint64_t bytes[TOP_SECONDS];

        for (size_t i = 0; i < model->n; i++)
                if (strcmp(model->rows[i].name, name) == 0) {
                        top_history_read(&model->rows[i].history, second, bytes);
                        return bytes[TOP_SECONDS - 1];
                }
        return UINT64_MAX;
}

#define ROW(name, start, second, in)                                                                       \
        "[{\"pid\":7,\"name\":\"" name "\",\"start_time_usec\":" start ",\"ring\":[{\"timestamp\":" second \
        ",\"in\":" in ",\"out\":0}]}]"

static void test_history(void **state) {
        struct top_model model;

        (void) state;
        top_model_init(&model);
        read_rank(&model, ROW("a", "5000000", "1700000000", "10"), T0);
        read_rank(&model, ROW("b", "5000003", "1700000002", "20"),
                  T0 + 2); /* exec(3), and a start told anew */
        assert_int_equal(second_of(&model, "b", T0), 10);
        assert_int_equal(second_of(&model, "b", T0 + 1), 0);
        assert_int_equal(second_of(&model, "b", T0 + 2), 20);
        read_rank(&model, ROW("b", "5000003", "1700000002", "25"), T0 + 2); /* what is told last is right */
        assert_int_equal(second_of(&model, "b", T0 + 2), 25);
        read_rank(&model, ROW("b", "5000003", "1700000061", "30"),
                  T0 + 61); /* a minute later: of the first none is left */
        assert_int_equal(second_of(&model, "b", T0), 0);
        assert_int_equal(second_of(&model, "b", T0 + 2), 25);
        assert_int_equal(second_of(&model, "b", T0 + 60), 0);
        read_rank(&model, ROW("c", "9000000", "1700000061", "1"), T0 + 61); /* another process of that pid */
        assert_int_equal(second_of(&model, "c", T0 + 2), 0);
        assert_int_equal(model.last_second, T0 + 61);
        top_model_done(&model);
}

/* The last minute is told of more rows than are known, and of fewer. */
static void test_minute(void **state) {
        struct json_object *minute =
                parse("[{\"pid\":7,\"start_time_usec\":5000001,\"ring\":[{\"timestamp\":1699999990,\"in\":1,"
                      "\"out\":2}]},"
                      "{\"pid\":8,\"ring\":[{\"timestamp\":1699999991,\"in\":9,\"out\":9}]}]");
        struct top_model model;

        (void) state;
        top_model_init(&model);
        read_rank(&model, RANK, T0);
        assert_int_equal(top_model_read_minute(&model, minute), 0);
        assert_int_equal(model.n, 4);
        assert_int_equal(second_of(&model, "Curl", T0 - 10), 3);
        assert_int_equal(second_of(&model, "Curl", T0), 303);
        assert_int_equal(second_of(&model, "bash", T0 - 10), 0);
        json_object_put(minute);
        top_model_done(&model);
}

/* Of many rows only the first ones are asked for, as long as no others can be among those shown. */
static void test_cut(void **state) {
        struct json_object *rank = json_object_new_array();
        struct top_model model;

        (void) state;
        for (int i = 0; i < TOP_ROWS_ASKED; i++) {
                struct json_object *row = json_object_new_object();

                json_object_object_add(row, "pid", json_object_new_int(i + 1));
                json_object_array_add(rank, row);
        }
        top_model_init(&model);
        assert_int_equal(top_model_read_rank(&model, rank, T0, TOP_ROWS_ASKED + 1, TOP_SORT_TOTAL), 0);
        top_model_set_sort(&model, TOP_SORT_IN);
        assert_true(!model.cut && !top_model_lacks(&model)); /* there are no others */
        assert_int_equal(top_model_read_rank(&model, rank, T0, TOP_ROWS_ASKED, TOP_SORT_IN), 0);
        assert_true(model.cut && !top_model_wants_all(&model) && !top_model_lacks(&model));
        top_model_set_sort(&model, TOP_SORT_OUT);
        assert_true(top_model_lacks(&model) && !top_model_wants_all(&model));
        top_model_set_sort(&model, TOP_SORT_IN);
        top_model_set_filter(&model, "1");
        assert_true(top_model_lacks(&model) && top_model_wants_all(&model));
        top_model_set_filter(&model, "");
        top_model_select(&model, 20);
        assert_false(top_model_lacks(&model));
        top_model_select(&model, TOP_ROWS_ASKED);
        assert_true(top_model_lacks(&model));
        top_model_set_sort(&model, TOP_SORT_NAME);
        top_model_select(&model, 0);
        assert_true(top_model_lacks(&model));
        assert_int_equal(top_model_read_rank(&model, rank, T0, 0, TOP_SORT_TOTAL), 0);
        assert_false(top_model_lacks(&model));
        json_object_put(rank);
        top_model_done(&model);
}

static void test_history_by_itself(void **state) {
        struct top_history history = {};
        uint64_t bytes[TOP_SECONDS];

        (void) state;
        top_history_read(&history, (int64_t) T0, bytes);
        for (int i = 0; i < TOP_SECONDS; i++)
                assert_int_equal(bytes[i], 0);
        top_history_set(&history, -1, 9);
        top_history_set(&history, 0, 9);
        for (int i = 0; i < 200; i++) /* more than there is room for */
                top_history_set(&history, (int64_t) T0 + i, (uint64_t) i);
        top_history_set(&history, (int64_t) T0 + 139, 1000); /* too old by a second */
        top_history_set(&history, (int64_t) T0 + 140, 2000);
        top_history_read(&history, (int64_t) T0 + 199, bytes);
        assert_int_equal(bytes[0], 2000);
        for (int i = 1; i < TOP_SECONDS; i++)
                assert_int_equal(bytes[i], 140 + i);
        top_history_read(&history, (int64_t) T0 + 210, bytes);
        assert_int_equal(bytes[48], 199);
        assert_int_equal(bytes[49], 0);
        top_history_set(&history, INT64_MAX, 7); /* whatever netflowd says */
        top_history_read(&history, INT64_MAX, bytes);
        assert_int_equal(bytes[TOP_SECONDS - 1], 7);
        assert_int_equal(bytes[0], 0);
}

/* Silence is rest only where there was no traffic, and only until the minute is empty. */
static void test_pass(void **state) {
        struct top_model model;

        (void) state;
        top_model_init(&model);
        assert_false(top_model_pass(&model, (int64_t) T0));
        read_rank(&model, RANK, T0);
        model.whole.rows.in = 330;
        assert_false(top_model_pass(&model, (int64_t) T0 + 1));
        assert_int_equal(model.last_second, T0);
        read_rank(&model, ROW("a", "1", "1700000000", "10"), T0 + 3);
        model.whole.rows.in = 0;
        assert_true(top_model_pass(&model, (int64_t) T0 + 4));
        assert_int_equal(model.last_second, T0 + 4);
        assert_true(top_model_pass(&model, (int64_t) T0 + 60));
        assert_false(top_model_pass(&model, (int64_t) T0 + 61));
        top_model_done(&model);
}

static void test_whole(void **state) {
        struct json_object *interfaces =
                parse("[{\"interface\":\"eth0\",\"traffic_stats\":{\"in\":10,\"out\":20}},{\"traffic_"
                      "stats\":{\"in\":1}},"
                      "{\"interface\":\"lo\",\"traffic_stats\":{\"in\":5,\"out\":6}}]");
        struct json_object *users = parse("[{\"processes\":3,\"traffic_stats\":{\"in\":7,\"out\":8}},"
                                          "{\"processes\":2,\"traffic_stats\":{\"in\":1,\"out\":1}}]");
        struct json_object *properties = parse(
                "{\"Backend\":\"pcap\",\"Capturing\":true,\"PacketsDropped\":3,\"Ledger\":{\"seen\":100,"
                "\"attributed\":60,\"unattributed-kernel\":10,\"unattributed-no-socket\":30,\"unattributed-"
                "x\":0}}");
        struct top_model model;

        (void) state;
        top_model_init(&model);
        top_model_read_interfaces(&model, interfaces);
        top_model_read_properties(&model, properties);
        top_model_read_users(&model, users);
        json_object_put(users);
        assert_true(model.whole.rows.in == 8 && model.whole.rows.out == 9 && model.whole.processes == 5);
        assert_int_equal(model.whole.interfaces.in, 16);
        assert_int_equal(model.whole.interfaces.out, 26);
        assert_int_equal(model.whole.loopback.in, 5);
        assert_int_equal(model.whole.loopback.out, 6);
        assert_int_equal(model.whole.dropped, 3);
        assert_int_equal(model.whole.n_reasons, 2);
        assert_string_equal(model.whole.reasons[0].name, "no-socket");
        assert_int_equal(model.whole.reasons[1].bytes, 10);
        json_object_put(interfaces);
        json_object_put(properties);
        properties = parse("{}"); /* of a netflowd that tells less */
        top_model_read_properties(&model, properties);
        assert_false(model.whole.has_ledger);
        json_object_put(properties);
        top_model_done(&model);
}

static void test_amounts(void **state) {
        static const struct {
                uint64_t bytes;
                struct top_units units;
                const char *text;
        } cases[] = {
                {0, {}, "0 B"},
                {999, {}, "999 B"},
                {999, {.bits = true}, "8.0 kb"},
                {1000, {}, "1.0 kB"},
                {9950, {}, "10 kB"},
                {999500, {}, "1.0 MB"},
                {999, {.binary = true}, "999 B"},
                {1000, {.binary = true}, "1.0 KiB"},
                {1023, {.binary = true}, "1.0 KiB"},
                {1024 * 1024, {.binary = true}, "1.0 MiB"},
                {1024 * 1000, {.binary = true}, "1.0 MiB"},
                {1024 * 999, {.binary = true}, "999 KiB"},
                {131072, {.bits = true, .binary = true}, "1.0 Mib"},
                {UINT64_MAX, {}, "18 EB"},
                {UINT64_MAX, {.bits = true, .binary = true}, "16 Eib"},
        };
        char text[TOP_AMOUNT_MAX];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(top_amount(cases[i].bytes, cases[i].units, text), cases[i].text);
        for (int units = 0; units < 4; units++)
                for (uint64_t bytes = 1; bytes > 0 && bytes < UINT64_MAX / 3;
                     bytes = bytes * 3 - 1 + (bytes == 1))
                        assert_in_range(
                                strlen(top_amount(bytes, (struct top_units){units & 1, units & 2}, text)), 3,
                                TOP_AMOUNT_WIDTH);
}

static void test_fit(void **state) {
        static const struct {
                const char *text;
                size_t columns;
                const char *fitting;
        } cases[] = {
                {"abc", 5, "abc  "},
                {"abc", 2, "ab"},
                {"abc", 0, ""},
                {"a\033[2J", 9, "a\\x1b[2J "},
                {"a\377", 9, "a\\xff    "},
                {"äb", 3, "äb "},
                {"日本", 3, "日 "}, /* no half of a wide one */
                {"日本", 4, "日本"},
                {"e\u0301x", 3, "e\u0301x "},
                {"\u0301x", 3, "x  "}, /* nothing that it could combine with */
                {"e\u0301\u0301\u0301\u0301\u0301x", 2, "e\u0301\u0301\u0301x"},
        };
        char text[TOP_FIT_MAX(16)];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                assert_string_equal(top_fit(cases[i].text, cases[i].columns, text), cases[i].fitting);
        (void) setlocale(LC_CTYPE, "C"); /* ASCII only */
        assert_string_equal(top_fit("äb", 10, text), "\\xc3\\xa4b ");
        (void) setlocale(LC_CTYPE, "C.UTF-8");
}

/* Whatever the bytes: it stays within its room, and within its columns. */
static void test_fit_anything(void **state) {
        static const char *const parts[] = {"e",    "\u0301",     "\u20dd", "日",      "\033",
                                            "\377", "\U0001F600", "\u202e", "\343\201"};
        unsigned random = 1;

        (void) state;
        for (int round = 0; round < 20000; round++) {
                size_t columns = (size_t) round % 12;
                char name[128] = "", *text = malloc(TOP_FIT_MAX(columns));
                wchar_t wide[TOP_FIT_MAX(12)];

                for (int i = 0; i < 24; i++) {
                        random = random * 1103515245u + 12345u;
                        strcat(name, parts[random / 65536 % ELEMENTSOF(parts)]);
                }
                assert_non_null(text);
                top_fit(name, columns, text); /* the sanitizer watches over the end of it */
                assert_int_not_equal(mbstowcs(wide, text, ELEMENTSOF(wide)), (size_t) -1);
                assert_int_equal(wcswidth(wide, ELEMENTSOF(wide)), columns);
                free(text);
        }
}

static void test_graph(void **state) {
        const uint64_t values[] = {0, 0, 1, 0, 50, 50, 100, 100};
        const uint64_t huge[] = {UINT64_MAX, 1};
        char text[TOP_GRAPH_MAX(8)];

        (void) state;
        assert_string_equal(top_graph(values, 8, 4, true, text), " ▁▄█");
        assert_string_equal(top_graph(values, 8, 4, false, text), " .=@");
        assert_string_equal(top_graph(values, 8, 8, false, text), "  . ==@@");
        assert_string_equal(top_graph(values, 2, 2, false, text), "  ");
        assert_string_equal(top_graph(huge, 2, 2, false, text), "@.");
        assert_string_equal(top_graph(values, 8, 0, false, text), "");
}

/* At any width, with any rows, a line has all columns of the terminal and not one more. */
static void test_layout(void **state) {
        struct top_model model;

        (void) state;
        top_model_init(&model);
        read_rank(&model, RANK, T0);
        for (unsigned columns = TOP_COLUMNS_MIN; columns < 400; columns++)
                for (enum top_group group = 0; group < TOP_BY_MAX; group++) {
                        struct top_layout layout = top_layout(group, columns);
                        char *text = malloc(TOP_FIT_MAX(columns));
                        wchar_t wide[512];

                        model.group = group;
                        assert_non_null(text);
                        assert_int_equal(strlen(top_layout_headings(&layout, &model, text)), columns);
                        assert_true(layout.width[TOP_MINUTE] == 0 ||
                                    TOP_SECONDS % layout.width[TOP_MINUTE] == 0);
                        for (size_t i = 0; i < model.n_shown; i++) {
                                top_layout_row(&layout, &model, model.shown[i], (struct top_units){}, true,
                                               text);
                                assert_true(mbstowcs(wide, text, ELEMENTSOF(wide)) == columns);
                                assert_int_equal(wcswidth(wide, ELEMENTSOF(wide)), columns);
                                assert_true(!strstr(text, "\033"));
                        }
                        if (columns >= 80 && group == TOP_BY_PROCESS)
                                for (enum top_column column = 0; column < TOP_COLUMN_MAX; column++)
                                        assert_true(layout.width[column] > 0);
                        free(text);
                }
        top_model_done(&model);
}

static void press(struct top_state *state, const char *keys) {
        for (; *keys; keys++)
                top_keys_press(state, *keys);
}

static void test_keys(void **unused) {
        struct top_state state;

        (void) unused;
        top_state_init(&state);
        read_rank(&state.model, RANK, T0);
        press(&state, "i");
        assert_int_equal(state.model.sort, TOP_SORT_IN);
        press(&state, "ss");
        assert_int_equal(state.model.sort, TOP_SORT_NAME);
        press(&state, "/qcu\b\b\b/\r"); /* letters are no keys while the filter is typed */
        assert_false(state.quit);
        assert_string_equal(state.model.filter, "/");
        press(&state, "\033");
        assert_int_equal(state.model.n_shown, 4);
        press(&state, "/");
        for (int i = 0; i < 200; i++) /* more than there is room for, and of more bytes than one */
                top_keys_press(&state, 0xe4);
        top_keys_press(&state, TOP_FUNCTION_KEY(KEY_UP));
        top_keys_press(&state, TOP_FUNCTION_KEY(KEY_BACKSPACE));
        assert_int_equal(strlen(state.model.filter) % 2, 0);
        assert_in_range(strlen(state.model.filter), 2, sizeof(state.model.filter) - 1);
        press(&state, "\033jj\r");
        assert_int_equal(state.pane, TOP_DETAILS); /* of Curl */
        assert_true(state.ask);
        assert_int_equal(state.details.pid, 7);
        press(&state, "q");
        assert_int_equal(state.pane, TOP_TABLE);
        assert_int_equal(state.details.pid, 0);
        assert_false(state.quit);
        top_keys_press(&state, TOP_FUNCTION_KEY(KEY_END));
        press(&state, "\r"); /* of several that have exited there are none */
        assert_int_equal(state.pane, TOP_TABLE);
        assert_true(*state.message);
        press(&state, "\001");
        assert_false(*state.message);
        press(&state, "?bBlp");
        assert_true(state.pane == TOP_HELP && state.units.bits && state.units.binary &&
                    state.model.without_loopback && state.paused);
        press(&state, "?");
        assert_int_equal(state.pane, TOP_TABLE);
        assert_true(state.ask && state.model.n == 0); /* rows without loopback are others */
        press(&state, "l");
        assert_false(state.model.without_loopback);
        state.ask = false;
        press(&state, "g");
        assert_true(state.ask && state.model.group == TOP_BY_APP && state.model.n == 0);
        press(&state, "\rkjt"); /* nothing there */
        press(&state, "q");
        assert_true(state.quit);
        top_state_done(&state);
}

/* No key does two things. */
static void test_keys_are_unique(void **unused) {
        (void) unused;
        for (const struct top_key *a = top_keys; a->names; a++)
                for (const struct top_key *b = top_keys; b->names; b++)
                        for (size_t i = 0; i < 4 && a->codes[i]; i++)
                                for (size_t j = 0; j < 4 && b->codes[j]; j++)
                                        assert_true((a == b && i == j) || a->codes[i] != b->codes[j]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_filter),
                cmocka_unit_test(test_selection),
                cmocka_unit_test(test_history),
                cmocka_unit_test(test_history_by_itself),
                cmocka_unit_test(test_minute),
                cmocka_unit_test(test_cut),
                cmocka_unit_test(test_pass),
                cmocka_unit_test(test_whole),
                cmocka_unit_test(test_amounts),
                cmocka_unit_test(test_fit),
                cmocka_unit_test(test_fit_anything),
                cmocka_unit_test(test_graph),
                cmocka_unit_test(test_layout),
                cmocka_unit_test(test_keys),
                cmocka_unit_test(test_keys_are_unique),
        };

        (void) setlocale(LC_ALL, "C.UTF-8");
        return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
