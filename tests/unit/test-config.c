/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/stat.h>
#include <syslog.h>

#include "config/files.h"
#include "config/settings.h"
#include "support/test.h"
#include "util/macros.h"

/* What was told, a line each. */
struct told {
        char text[8192];
};

static void tell(void *userdata, const char *message) {
        struct told *told = userdata;
        size_t length = strlen(told->text);

        (void) snprintf(told->text + length, sizeof(told->text) - length, "%s\n", message);
}

static int set_up(void **state) {
        *state = test_directory();
        return 0;
}

static int tear_down(void **state) {
        test_remove(*state);
        return 0;
}

/* Loads what is below the root; the caller does config_done(). */
static struct config load(const char *root, struct told *told) {
        const struct config_sources sources = {.root = root};
        struct config config;

        *told = (struct told){};
        assert_int_equal(config_load(&sources, tell, told, &config), 0);
        return config;
}

static struct config parse(const char *text, size_t size, struct told *told) {
        struct config config;

        *told = (struct told){};
        config_init(&config);
        assert_int_equal(config_parse(&config, "x.conf", text, size, tell, told), 0);
        return config;
}

/* The value of a setting below that root, with nothing to complain about, and where it is from. */
static void expect_setting(const char *root, enum config_setting setting, const char *value,
                           const char *origin) {
        _cleanup_(config_done) struct config config;
        _cleanup_free_ char *text = NULL;
        struct told told;

        config = load(root, &told);
        assert_string_equal(told.text, "");
        text = config_format(&config, setting);
        assert_string_equal(text, value);
        assert_string_equal(config_origin_text(&config, setting), origin);
}

#define CONF    "netflowd/netflowd.conf"
#define D(name) "netflowd/netflowd.conf.d/" name

/* The main file that is nearest to the administrator is the only one. */
static void test_main_file(void **state) {
        const char *root = *state;

        expect_setting(root, CONFIG_FILTER, "", "default");
        test_write(root, "usr/lib/" CONF, "[Netflowd]\nFilter=vendor\n");
        expect_setting(root, CONFIG_FILTER, "vendor", "/usr/lib/netflowd/netflowd.conf:2");
        test_write(root, "usr/local/lib/" CONF, "[Netflowd]\n\nFilter=local\n");
        expect_setting(root, CONFIG_FILTER, "local", "/usr/local/lib/netflowd/netflowd.conf:3");
        test_write(root, "run/" CONF, "#\n[Netflowd]\n\nFilter=run\n");
        expect_setting(root, CONFIG_FILTER, "run", "/run/netflowd/netflowd.conf:4");
        test_write(root, "etc/" CONF, "[Netflowd]\nSignalLimit=3\n");
        expect_setting(root, CONFIG_FILTER, "", "default");
        expect_setting(root, CONFIG_SIGNAL_LIMIT, "3", "/etc/netflowd/netflowd.conf:2");
        test_link(root, "etc/" CONF, "/dev/null");
        expect_setting(root, CONFIG_SIGNAL_LIMIT, "10", "default");
        expect_setting(root, CONFIG_FILTER, "", "default");
}

static void test_drop_ins(void **state) {
        const char *root = *state;

        test_write(root, "etc/" CONF, "[Netflowd]\nFilter=main\n");
        test_write(root, "usr/lib/" D("50-b.conf"), "[Netflowd]\nFilter=vendor\n");
        expect_setting(root, CONFIG_FILTER, "vendor", "/usr/lib/netflowd/netflowd.conf.d/50-b.conf:2");
        /* by name, whatever the folder: the administrator's earlier name does not win */
        test_write(root, "etc/" D("40-a.conf"), "[Netflowd]\nFilter=early\n");
        expect_setting(root, CONFIG_FILTER, "vendor", "/usr/lib/netflowd/netflowd.conf.d/50-b.conf:2");
        test_write(root, "run/" D("60-c.conf"), "[Netflowd]\nFilter=late\n");
        expect_setting(root, CONFIG_FILTER, "late", "/run/netflowd/netflowd.conf.d/60-c.conf:2");
        /* the same name in a folder before it hides a file, be it empty or nowhere */
        test_write(root, "etc/" D("60-c.conf"), "");
        expect_setting(root, CONFIG_FILTER, "vendor", "/usr/lib/netflowd/netflowd.conf.d/50-b.conf:2");
        test_link(root, "etc/" D("50-b.conf"), "/dev/null");
        expect_setting(root, CONFIG_FILTER, "early", "/etc/netflowd/netflowd.conf.d/40-a.conf:2");
        /* neither of these is a drop-in */
        test_write(root, "etc/" D(".99.conf"), "[Netflowd]\nFilter=hidden\n");
        test_write(root, "etc/" D("99.conf~"), "[Netflowd]\nFilter=backup\n");
        test_write(root, "etc/" D("conf"), "[Netflowd]\nFilter=name\n");
        test_write(root, "etc/" D(".conf"), "[Netflowd]\nFilter=name\n");
        expect_setting(root, CONFIG_FILTER, "early", "/etc/netflowd/netflowd.conf.d/40-a.conf:2");
}

/* What is no file, or too large, or not to be found is told, and the rest is read. */
static void test_unreadable(void **state) {
        static char large[CONFIG_FILE_MAX + 2];
        const char *root = *state;
        struct told told;
        char path[512];

        test_write(root, "etc/" D("20-limit.conf"), "[Netflowd]\nSignalLimit=7\n");
        test_write(root, "etc/" D("10-folder.conf/x"), "");
        test_link(root, "etc/" D("30-gone.conf"), "/nonexistent/x");
        (void) snprintf(path, sizeof(path), "%s/etc/" D("40-pipe.conf"), root);
        assert_int_equal(mkfifo(path, 0600), 0);
        memset(large, '\n', sizeof(large) - 1);
        test_write(root, "etc/" D("50-large.conf"), large);
        test_link(root, "run/netflowd", "/dev/null"); /* no folder */

        {
                _cleanup_(config_done) struct config config = load(root, &told);

                assert_int_equal(config.signal_limit, 7);
                assert_string_equal(
                        told.text,
                        "/run/netflowd: cannot read netflowd.conf.d: Not a directory\n"
                        "/etc/netflowd/netflowd.conf.d/10-folder.conf: cannot read it: Is a directory\n"
                        "/etc/netflowd/netflowd.conf.d/40-pipe.conf: cannot read it: it is not a regular "
                        "file\n"
                        "/etc/netflowd/netflowd.conf.d/50-large.conf: cannot read it: File too large\n");
        }
}

/* --config: this one and no other; not to find it is an error. */
static void test_one_file(void **state) {
        const char *root = *state;
        struct config_sources sources = {.root = root};
        struct config config;
        struct told told = {};
        char path[512];

        test_write(root, "etc/" CONF, "[Netflowd]\nFilter=etc\n");
        test_write(root, "one", "[Netflowd]\nSignalLimit=4\n");
        (void) snprintf(path, sizeof(path), "%s/one", root);
        sources.file = path;
        assert_int_equal(config_load(&sources, tell, &told, &config), 0);
        assert_int_equal(config.signal_limit, 4);
        assert_null(config.filter);
        config_done(&config);
        assert_string_equal(told.text, "");

        sources.file = "/nonexistent";
        config = (struct config){.signal_limit = 99};
        assert_int_equal(config_load(&sources, tell, &told, &config), -ENOENT);
        assert_int_equal(config.signal_limit, 99);
        assert_string_equal(told.text, "/nonexistent: cannot read it: No such file or directory\n");

        sources.file = NULL;
        sources.no_files = true;
        assert_int_equal(config_load(&sources, tell, &told, &config), 0);
        assert_null(config.filter);
        config_done(&config);
}

/* Each thing that is wrong with its line; all that is right holds. */
static void test_errors(void **state) {
        static const char text[] = "Filter=early\n"      /* 1 */
                                   "[Netflowd]\n"        /* 2 */
                                   "SignalLimit=5\n"     /* 3 */
                                   "SignalLimit=101\n"   /* 4 */
                                   "QueueSize=-1\n"      /* 5 */
                                   "Nonsense=1\n"        /* 6 */
                                   "signallimit=6\n"     /* 7 */
                                   "no assignment\n"     /* 8 */
                                   "Filter: tcp\n"       /* 9 */
                                   "Filter:x=tcp\n"      /* 10 */
                                   "=tcp\n"              /* 11 */
                                   "SyncInterval=\\\n"   /* 12 */
                                   "\n"                  /* 13 */
                                   "# in between\n"      /* 14 */
                                   "  9ms\n"             /* 15 */
                                   "[Other]\n"           /* 16 */
                                   "SignalLimit=7\n"     /* 17 */
                                   "[Netflowd] x\n"      /* 18 */
                                   "SignalLimit=8\n"     /* 19 */
                                   "[Netflowd\n"         /* 20 */
                                   "SignalLimit=9\n"     /* 21 */
                                   "[X-Mine]\n"          /* 22 */
                                   "Anything=goes\n"     /* 23 */
                                   "[]\n"                /* 24 */
                                   "[Netflowd]\n"        /* 25 */
                                   "X-Anything=goes\n"   /* 26 */
                                   "Filter=a\0b\n"       /* 27 */
                                   "LogLevel=\x1b\xff\n" /* 28 */
                                   "SignalInterval=1y";  /* 29 */
        struct told told;
        _cleanup_(config_done) struct config config = parse(text, sizeof(text) - 1, &told);

        (void) state;
        assert_string_equal(
                told.text,
                "x.conf:1: Filter= before any section; ignored, [Netflowd] belongs above it\n"
                "x.conf:4: SignalLimit=101: must be a whole number in the range 1..100; ignored\n"
                "x.conf:5: QueueSize=-1: must be a whole number in the range 0..1000000; ignored\n"
                "x.conf:6: unknown key Nonsense=; ignored\n"
                "x.conf:7: unknown key signallimit=; ignored\n"
                "x.conf:8: no assignment: neither [Section] nor Key=Value; ignored\n"
                "x.conf:9: Filter: tcp: neither [Section] nor Key=Value; ignored\n"
                "x.conf:10: Filter:x=tcp: neither [Section] nor Key=Value; ignored\n"
                "x.conf:11: unknown key =; ignored\n"
                "x.conf:12: SyncInterval=9ms: must be a span of time such as 1min 30s in the range "
                "10ms..1min; ignored\n"
                "x.conf:16: unknown section [Other]; ignored, there is only [Netflowd]\n"
                "x.conf:18: unknown section [Netflowd] x; ignored, there is only [Netflowd]\n"
                "x.conf:20: unknown section [Netflowd; ignored, there is only [Netflowd]\n"
                "x.conf:24: unknown section []; ignored, there is only [Netflowd]\n"
                "x.conf:27: a line with a NUL byte in it; ignored\n"
                "x.conf:28: LogLevel=??: must be emerg, alert, crit, err, warning, notice, info, debug or "
                "0..7; ignored\n"
                "x.conf:29: SignalInterval=1y: must be a span of time such as 1min 30s in the range "
                "1s..1min; ignored\n");
        assert_int_equal(config.signal_limit, 5);
        assert_string_equal(config_origin_text(&config, CONFIG_SIGNAL_LIMIT), "x.conf:3");
        assert_int_equal(config.queue_packets, 0);
        assert_null(config.filter);
}

/* What inih would do otherwise, or does just where it was built for it. */
static void test_lines(void **state) {
        static const struct {
                const char *text, *filter;
        } cases[] = {
                {"[Netflowd]\nFilter=tcp ; udp # x", "tcp ; udp # x"},
                {"[Netflowd]\r\nFilter=tcp\r\n", "tcp"},
                {"\xef\xbb\xbf[Netflowd]\nFilter=tcp\n", "tcp"},
                {"\xef\xbb\xbf  [Netflowd]  \n\t Filter \t=\t tcp \n", "tcp"},
                {"\v[Netflowd]\f\n\vFilter=tcp\f\n\v\n", "tcp"},
                {"[Netflowd]\nFilter=tcp\n  SignalLimit=3\n", "tcp"}, /* continues nothing */
                {"[Netflowd]\nFilter=tcp \\\n  or udp\n", "tcp    or udp"},
                {"[Netflowd]\nFilter=tcp \\\n;or\n\n# x\nor udp\\", "tcp  or udp"},
                {"[Netflowd]\nFilter=ether proto \\\\ip\n", "ether proto \\\\ip"},
                {"[Netflowd]\nFilter=\"tcp\"\n", "\"tcp\""},
                {"[Netflowd]\nFilter=a=b:c\n", "a=b:c"},
                {"[Netflowd]\nFilter=tcp\nFilter=\n", ""},
                {"[Netflowd]\nFilter=tcp\n[X-Y]\nFilter=udp\n[Netflowd]\n", "tcp"},
                {"", ""},
                {"\\", ""},
                {"[", NULL},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                struct told told;
                _cleanup_(config_done) struct config config =
                        parse(cases[i].text, strlen(cases[i].text), &told);

                if (cases[i].filter) {
                        if (strcmp(config.filter ?: "", cases[i].filter) != 0)
                                fail_msg("case %zu: \"%s\"", i, config.filter ?: "");
                } else
                        assert_null(config.filter);
        }
}

/* Far beyond the 200 bytes of inih's own buffer, and all of it. */
static void test_long_lines(void **state) {
        static const char head[] = "[Netflowd]\nFilter=", tail[] = "\nSignalLimit=2\n";
        const size_t length = 100000;
        _cleanup_free_ char *text = malloc(sizeof(head) + length + sizeof(tail));
        struct told told;

        (void) state;
        strcpy(text, head);
        memset(text + strlen(head), 'x', length);
        strcpy(text + strlen(head) + length, tail);
        {
                _cleanup_(config_done) struct config config = parse(text, strlen(text), &told);

                assert_string_equal(told.text, "");
                assert_int_equal(strlen(config.filter), length);
                assert_int_equal(config.signal_limit, 2);
        }
}

static void test_environment_and_options(void **state) {
        static const struct config_option options[] = {{CONFIG_FILTER, "udp"}, {CONFIG_FILTER, "tcp"}};
        const char *root = *state;
        struct config_sources sources = {.root = root, .log_level = "debug"};
        struct config config;
        struct told told = {};

        test_write(root, "etc/" CONF, "[Netflowd]\nLogLevel=err\nFilter=icmp\n");
        assert_int_equal(config_load(&sources, tell, &told, &config), 0);
        assert_int_equal(config.log_level, LOG_DEBUG);
        assert_string_equal(config_origin_text(&config, CONFIG_LOG_LEVEL), "$SYSTEMD_LOG_LEVEL");
        config_done(&config);

        sources.log_level = "loud";
        sources.options = options;
        sources.n_options = ELEMENTSOF(options);
        assert_int_equal(config_load(&sources, tell, &told, &config), 0);
        assert_int_equal(config.log_level, LOG_ERR);
        assert_string_equal(config.filter, "tcp");
        assert_string_equal(config_origin_text(&config, CONFIG_FILTER), "command line");
        assert_string_equal(told.text,
                            "SYSTEMD_LOG_LEVEL=loud: must be emerg, alert, crit, err, warning, notice, "
                            "info, debug or 0..7; ignored\n");
        config_done(&config);

        sources.log_level = ""; /* as good as not set */
        told = (struct told){};
        assert_int_equal(config_load(&sources, tell, &told, &config), 0);
        assert_int_equal(config.log_level, LOG_ERR);
        assert_string_equal(told.text, "");
        config_done(&config);
}

/* Each list adds up over lines and files, an empty line begins anew, and so does the command line. */
static void test_lists(void **state) {
        static const struct config_option options[] = {{CONFIG_DEVICES, "lo"}, {CONFIG_DEVICES, "!wl*"}};
        struct config_sources sources = {.root = *state};
        struct config config;
        struct told told = {};

        test_write(*state, "etc/" CONF, "[Netflowd]\nDevices=a b\nDevices=\nDevices=en*\nDevices=c\n");
        test_write(*state, "etc/" D("1.conf"), "[Netflowd]\nDevices=d a/b\nDevices=e\n");
        assert_int_equal(config_load(&sources, tell, &told, &config), 0);
        assert_string_equal(config.devices[0], "en*");
        assert_string_equal(config.devices[1], "c");
        assert_string_equal(config.devices[2], "e");
        assert_null(config.devices[3]);
        assert_string_equal(config_origin_text(&config, CONFIG_DEVICES),
                            "/etc/netflowd/netflowd.conf:3, /etc/netflowd/netflowd.conf:4, "
                            "/etc/netflowd/netflowd.conf:5, /etc/netflowd/netflowd.conf.d/1.conf:3");
        config_done(&config);

        sources.options = options;
        sources.n_options = ELEMENTSOF(options);
        assert_int_equal(config_load(&sources, tell, &told, &config), 0);
        assert_string_equal(config.devices[0], "lo");
        assert_string_equal(config.devices[1], "!wl*");
        assert_null(config.devices[2]);
        config_done(&config);
}

/* A value for each type that is not a default, and hard to write. */
static const char *other_value(const struct setting *setting) {
        if (setting->range.words)
                return "auto";
        if (setting->type == &value_span)
                return "1s 1ms 1us";
        if (setting->type == &value_level)
                return "3";
        if (setting->type == &value_devices)
                return "en* !docker* [!a-c]x";
        if (setting->type == &value_addresses)
                return "192.0.2.1 2001:db8::1";
        if (setting->type == &value_path)
                return "/tmp/a;b #c";
        if (setting->type == &value_size)
                return "65537";
        return setting->type == &value_text ? "  tcp[tcpflags] & (tcp-syn) != 0\nor \\\\ip ; # =[x]\n" : "7";
}

/* What is printed is read as the same, without a complaint, and printed as the same. */
static void test_print_round_trip(void **state) {
        _cleanup_free_ char *printed = NULL, *again = NULL;
        struct config_option options[CONFIG_SETTINGS];
        struct config_sources sources = {.root = *state, .no_files = true, .options = options};
        struct told told = {};
        size_t size;
        FILE *out;

        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++)
                options[sources.n_options++] = (struct config_option){i, other_value(&settings[i])};
        {
                _cleanup_(config_done) struct config config = {}, copy = {};

                assert_int_equal(config_load(&sources, tell, &told, &config), 0);
                out = open_memstream(&printed, &size);
                assert_int_equal(config_print(&config, out), 0);
                assert_int_equal(fclose(out), 0);

                copy = parse(printed, size, &told);
                assert_string_equal(told.text, "");
                for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++)
                        assert_false(config_differs(&config, &copy, i));
                for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++)
                        copy.origins[i].kind = CONFIG_FROM_COMMAND_LINE;
                out = open_memstream(&again, &size);
                assert_int_equal(config_print(&copy, out), 0);
                assert_int_equal(fclose(out), 0);
        }
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++) {
                char line[128];

                (void) snprintf(line, sizeof(line), "\n# command line\n%s=", settings[i].key);
                assert_non_null(strstr(printed, line));
        }
        assert_string_equal(printed, again);
}

static void test_change(void **state) {
        struct told told;
        static const char before[] = "[Netflowd]\nFilter=a\nSignalLimit=2",
                          after[] = "[Netflowd]\n\nFilter=b\nSignalLimit=2";
        _cleanup_(config_done) struct config config = parse(before, strlen(before), &told);
        _cleanup_(config_done) struct config fresh = parse(after, strlen(after), &told);

        (void) state;
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++)
                assert_true(config_differs(&config, &fresh, i) == (i == CONFIG_FILTER));
        config_take(&config, &fresh, CONFIG_FILTER);
        assert_string_equal(config.filter, "b");
        assert_string_equal(fresh.filter, "a");
        assert_string_equal(config_origin_text(&config, CONFIG_FILTER), "x.conf:3");
        config_reset(&config, CONFIG_FILTER);
        assert_null(config.filter);
        assert_string_equal(config_origin_text(&config, CONFIG_FILTER), "default");
        assert_true(config_applies_at_run_time(CONFIG_FILTER) &&
                    !config_applies_at_run_time(CONFIG_BACKEND));
        assert_string_equal(config_key(CONFIG_BACKEND), "Backend");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_main_file),
                TEST(test_drop_ins),
                TEST(test_unreadable),
                TEST(test_one_file),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_lines),
                cmocka_unit_test(test_long_lines),
                TEST(test_environment_and_options),
                TEST(test_lists),
                TEST(test_print_round_trip),
                cmocka_unit_test(test_change),
        };

        return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
