/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "config/command_line.h"
#include "config/settings.h"
#include "support/test.h"
#include "util/macros.h"

/* Reads into a list of that type; true: it was taken. */
static bool read_list(const struct value_type *type, char ***list, const char *text) {
        int r = type->read(list, text, NULL);

        assert_true(r == 0 || r == -EINVAL || r == -E2BIG);
        return r == 0;
}

static void test_devices(void **state) {
        static const char *const bad[] = {
                "!",      "!!en0", "a/b",  "a:b",  ".",     "..", "sixteen-bytes-xx",
                "en[0-9", "en[]",  "a\\*", "lo !", "x\x01y"};
        static const char *const good[] = {"en*", "!docker*", "fifteen-bytes-x", "[!v]*", "[]x]?"};
        char **list = NULL, pattern[200];

        (void) state;
        assert_true(read_list(&value_devices, &list, "en* !docker*  fifteen-bytes-x"));
        assert_true(read_list(&value_devices, &list, "[!v]*\t[]x]?"));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (read_list(&value_devices, &list, bad[i]))
                        fail_msg("\"%s\" is taken", bad[i]);
        memset(pattern, '*', sizeof(pattern) - 1);
        pattern[sizeof(pattern) - 1] = '\0';
        assert_false(read_list(&value_devices, &list, pattern));
        for (size_t i = 0; i < ELEMENTSOF(good); i++) /* and none of what was refused is in it */
                assert_string_equal(list[i], good[i]);
        assert_null(list[5]);

        for (size_t i = 5; i < VALUE_LIST_MAX; i++)
                assert_true(read_list(&value_devices, &list, "lo"));
        assert_false(read_list(&value_devices, &list, "lo"));
        value_devices.clear(&list);
        assert_null(list);
}

static void test_addresses(void **state) {
        static const char *const bad[] = {"192.0.2",   "192.0.2.256", "192.0.2.1/24", "2001:db8::1%lo",
                                          "localhost", ":",           "192.0.2.1 x",  "1:2:3:4:5:6:7:8:9"};
        char **list = NULL;

        (void) state;
        assert_true(read_list(&value_addresses, &list, "192.0.2.1 2001:DB8:0::1"));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (read_list(&value_addresses, &list, bad[i]))
                        fail_msg("\"%s\" is taken", bad[i]);
        assert_string_equal(list[0], "192.0.2.1");
        assert_string_equal(list[1], "2001:db8::1");
        assert_null(list[2]);
        value_addresses.clear(&list);
}

static void test_paths_and_text(void **state) {
        static const char *const bad[] = {"x", "./x", "/tmp/", "/", "/a\nb", "/a ", "/a\\", "/a\x7f"};
        char *path = NULL, *text = NULL;

        (void) state;
        assert_int_equal(value_path.read(&path, "/tmp/a b;c#d", NULL), 0);
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(value_path.read(&path, bad[i], NULL), -EINVAL);
        assert_string_equal(path, "/tmp/a b;c#d");
        value_path.clear(&path);

        assert_int_equal(value_text.read(&text, "\n tcp\n\tport 80 \n", NULL), 0);
        assert_string_equal(text, "tcp  port 80");
        assert_int_equal(value_text.read(&text, "tcp\\", NULL), -EINVAL);
        assert_int_equal(value_text.read(&text, "tcp\x1b[31m", NULL), -EINVAL);
        assert_string_equal(text, "tcp  port 80");
        value_text.clear(&text);
}

/* Every row is whole, and its default is what its type reads and writes. */
static void test_table(void **state) {
        _cleanup_(config_done) struct config config;

        (void) state;
        config_init(&config);
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++) {
                const struct setting *row = &settings[i];
                _cleanup_free_ char *text = config_format(&config, i);

                assert_true(row->key && row->option && row->help && row->type && row->standard);
                assert_true(row->argument || row->range.words);
                assert_ptr_equal(setting_find(row->key), row);
                assert_string_equal(text, row->standard);
                assert_string_equal(config_origin_text(&config, i), "default");
                /* config_init() allocates nothing, and so cannot fail */
                assert_true(*row->standard == '\0' ||
                            (row->type != &value_text && row->type != &value_path && !row->type->is_list));
        }
        assert_null(setting_find("backend"));
}

/* One line that names option, value and range; good values are taken. */
static void test_check(void **state) {
        static const struct {
                struct config_option option;
                const char *error;
        } cases[] = {
                {{CONFIG_SIGNAL_LIMIT, "1"}, NULL},
                {{CONFIG_SIGNAL_LIMIT, "100"}, NULL},
                {{CONFIG_SIGNAL_LIMIT, ""}, NULL},
                {{CONFIG_FILTER, ""}, NULL},
                {{CONFIG_SIGNAL_LIMIT, "0"}, "--signal-limit 0: must be a whole number in the range 1..100"},
                {{CONFIG_SIGNAL_LIMIT, "4294967297"},
                 "--signal-limit 4294967297: must be a whole number in the range 1..100"},
                {{CONFIG_QUEUE_SIZE, "-1"},
                 "--queue-size -1: must be a whole number in the range 0..1000000"},
                {{CONFIG_SYNC_INTERVAL, "9999ms9999y"},
                 "--sync-interval 9999ms9999y: must be a span of time such as 1min 30s in the range "
                 "10ms..1min"},
                {{CONFIG_SIGNAL_INTERVAL, "infinity"},
                 "--signal-interval infinity: must be a span of time such as 1min 30s in the range "
                 "1s..1min"},
                {{CONFIG_FILTER, "tcp\x1b[0m"},
                 "--filter tcp?[0m: must be one line of text that does not end in a backslash"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                char error[CONFIG_MESSAGE_MAX] = "";

                assert_int_equal(config_check(&cases[i].option, error), cases[i].error ? -EINVAL : 0);
                assert_string_equal(error, cases[i].error ?: "");
        }
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++) {
                char range[CONFIG_MESSAGE_MAX], error[CONFIG_MESSAGE_MAX] = "",
                                                expected[2 * CONFIG_MESSAGE_MAX];
                const struct config_option option = {i, "nonsense"};

                if (!settings[i].range.words)
                        continue;
                setting_range(&settings[i], range);
                (void) snprintf(expected, sizeof(expected), "--%s nonsense: must be %s", settings[i].option,
                                range);
                assert_int_equal(config_check(&option, error), -EINVAL);
                assert_string_equal(error, expected);
        }
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++) {
                const struct config_option option = {i, settings[i].standard};
                char error[CONFIG_MESSAGE_MAX] = "";

                assert_int_equal(config_check(&option, error), 0);
        }
}

static int read_line(struct command_line *line, char error[static CONFIG_MESSAGE_MAX], char *first,
                     char *second) {
        char *argv[] = {(char[]){"netflowd"}, first, second, NULL};

        *error = '\0';
        return command_line_read(first ? second ? 3 : 2 : 1, argv, line, error);
}

static void test_command_line(void **state) {
        static const struct {
                const char *first, *second, *error;
        } bad[] = {
                {"--nonsense", NULL, "--nonsense: no such option, or it takes no value; see --help"},
                {"--help=x", NULL, "--help=x: no such option, or it takes no value; see --help"},
                {"--filter", NULL, "--filter: needs a value; see --help"},
                {"extra", NULL, "unexpected argument: extra; see --help"},
                {"--bus-fd", "2", "--bus-fd 2: must be a file descriptor from 3 on"},
                {"--signal-limit", "x", "--signal-limit x: must be a whole number in the range 1..100"},
                {"--signal-limit=\x1b", NULL,
                 "--signal-limit ?: must be a whole number in the range 1..100"},
        };
        struct config_sources sources;
        struct command_line line;
        char error[CONFIG_MESSAGE_MAX];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(read_line(&line, error, (char *) bad[i].first, (char *) bad[i].second),
                                 -EINVAL);
                assert_string_equal(error, bad[i].error);
        }

        assert_int_equal(read_line(&line, error, NULL, NULL), 0);
        assert_true(line.action == COMMAND_LINE_RUN && line.bus_fd == -1 && line.n_options == 0);
        command_line_sources(&line, NULL, &sources);
        assert_false(sources.no_files);

        assert_int_equal(read_line(&line, error, (char *) "--help", (char *) "--nonsense"), 0);
        assert_int_equal(line.action, COMMAND_LINE_HELP);
        assert_int_equal(read_line(&line, error, (char *) "--print-config", (char *) "--config=x"), 0);
        assert_int_equal(line.action, COMMAND_LINE_PRINT_CONFIG);
        assert_string_equal(line.config_file, "x");

        /* a relative path counts from here, and is kept as an absolute one */
        assert_int_equal(read_line(&line, error, (char *) "--store-pcap=a", (char *) "--store-pcap=/b"), 0);
        assert_true(line.options[0].text[0] == '/' && strcmp(strrchr(line.options[0].text, '/'), "/a") == 0);
        assert_string_equal(line.options[1].text, "/b");
        command_line_done(&line);

        /* files configure the service, and this is not it */
        assert_int_equal(read_line(&line, error, (char *) "--bus-fd=3", (char *) "--filter=tcp"), 0);
        command_line_sources(&line, "err", &sources);
        assert_true(sources.no_files && sources.n_options == 1 && !sources.file);
        assert_int_equal(sources.options[0].setting, CONFIG_FILTER);
        assert_string_equal(sources.log_level, "err");
        command_line_done(&line);
}

static void test_help(void **state) {
        _cleanup_free_ char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        (void) state;
        assert_int_equal(command_line_print_help(out), 0);
        assert_int_equal(fclose(out), 0);
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++) {
                char option[64];

                (void) snprintf(option, sizeof(option), "\n  --%s ", settings[i].option);
                assert_non_null(strstr(text, option));
        }
        assert_non_null(strstr(text, "auto|bpf|procfs"));
}

static char *read_source(const char *path) {
        char *text = calloc(1, 65536), full[512];
        FILE *file;

        (void) snprintf(full, sizeof(full), "%s/../%s", getenv("NETFLOWD_TESTS") ?: "tests", path);
        file = fopen(full, "re");
        assert_non_null(file);
        assert_true(fread(text, 1, 65535, file) > 0);
        assert_int_equal(fclose(file), 0);
        return text;
}

static void never(void *userdata, const char *message) {
        (void) userdata;
        fail_msg("%s", message);
}

/* The file that is installed: each key, in the order of the table, commented out at its default; and as it
 * is, it changes nothing. */
static void test_shipped_file(void **state) {
        _cleanup_free_ char *text = read_source("systemd/netflowd.conf");
        char expected[4096] = "[Netflowd]\n";
        _cleanup_(config_done) struct config config;

        (void) state;
        config_init(&config);
        assert_int_equal(config_parse(&config, "netflowd.conf", text, strlen(text), never, NULL), 0);
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++) {
                size_t length = strlen(expected);

                (void) snprintf(expected + length, sizeof(expected) - length, "#%s=%s\n", settings[i].key,
                                settings[i].standard);
                assert_string_equal(config_origin_text(&config, i), "default");
        }
        assert_non_null(strstr(text, "[Netflowd]\n"));
        assert_string_equal(strstr(text, "[Netflowd]\n"), expected);
}

/* The manual page: an entry for each key, in the order of the table, with its range, its default, and
 * whether a reload changes it. */
static void test_manual_page(void **state) {
        _cleanup_free_ char *text = read_source("daemon/netflowd.conf.5");
        char *entry = strstr(text, "\n.SH OPTIONS\n"), *end = strstr(text, "\n.SH EXAMPLES\n");
        size_t entries = 0;

        (void) state;
        assert_true(entry && end);
        *end = '\0';
        for (char *c = entry; (c = strstr(c, "\n.TP\n")); c++)
                entries++;
        assert_int_equal(entries, CONFIG_SETTINGS);
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++) {
                char begin[128], range[CONFIG_MESSAGE_MAX], line[2 * CONFIG_MESSAGE_MAX], *next;

                entry = strstr(entry, "\n.TP\n");
                assert_non_null(entry);
                entry += strlen("\n.TP\n");
                next = strstr(entry, "\n.TP\n");
                if (next)
                        *next = '\0';
                (void) snprintf(begin, sizeof(begin), ".BI %s= ", settings[i].key);
                assert_int_equal(strncmp(entry, begin, strlen(begin)), 0);

                (void) snprintf(line, sizeof(line), "%s%s",
                                *settings[i].standard ? "\nDefault:\n.BR " : "\nDefault: empty",
                                settings[i].standard);
                if (!strstr(entry, line))
                        fail_msg("%s=: no \"%s\"", settings[i].key, line);
                setting_range(&settings[i], range);
                (void) snprintf(line, sizeof(line), "\n%s.", range);
                if (*range && !settings[i].range.words && !strstr(entry, line))
                        fail_msg("%s=: no range %s", settings[i].key, range);
                assert_true((strstr(entry, "\nChanged by a reload.") != NULL) == settings[i].at_run_time);
                for (const char *const *word = settings[i].range.words; word && *word; word++)
                        assert_non_null(strstr(entry, *word));
                if (next)
                        *next = '\n';
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_devices),        cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_paths_and_text), cmocka_unit_test(test_table),
                cmocka_unit_test(test_check),          cmocka_unit_test(test_command_line),
                cmocka_unit_test(test_help),           cmocka_unit_test(test_shipped_file),
                cmocka_unit_test(test_manual_page),
        };

        return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
