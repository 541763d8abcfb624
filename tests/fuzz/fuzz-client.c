/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <json-c/json.h>
#include <locale.h>
#include <stdio.h>
#include <sys/socket.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "bar.h"
#include "connection.h"
#include "dbus/org.netflowd1.h"
#include "message_builder.h"
#include "support.h"
#include "verbs.h"

/* A netflowd that answers anything: nothing of it may end netflowctl, or reach the terminal as a command. */

static const char *const words[] = {
        NETFLOWD_KEY_PID,        NETFLOWD_KEY_NAME,       NETFLOWD_KEY_EXE,         NETFLOWD_KEY_STATE,
        NETFLOWD_KEY_USER,       NETFLOWD_KEY_UNIT,       NETFLOWD_KEY_RING,        NETFLOWD_KEY_TRAFFIC_STATS,
        NETFLOWD_KEY_TOTAL,      NETFLOWD_KEY_IN,         NETFLOWD_KEY_OUT,         NETFLOWD_KEY_IN_RATE,
        NETFLOWD_KEY_PROCESSES,  NETFLOWD_KEY_SINCE,      NETFLOWD_KEY_START_TIME,  NETFLOWD_KEY_INODE_COUNT,
        NETFLOWD_KEY_UID,        NETFLOWD_KEY_INTERFACE,  NETFLOWD_KEY_CGROUP,      NETFLOWD_KEY_TIMESTAMP,
        NETFLOWD_FLOW_PROTOCOL,  NETFLOWD_FLOW_LOCAL,     NETFLOWD_FLOW_REMOTE,     NETFLOWD_FLOW_AGE,
        NETFLOWD_LEDGER_SEEN,    NETFLOWD_DEVICE_STATE,   NETFLOWD_DEVICE_LINK_TYPE, NETFLOWD_DEVICE_LAST_ERROR,
        NETFLOWD_PROPERTY_LEDGER, NETFLOWD_PROPERTY_LIMITS, NETFLOWD_PROPERTY_DEVICES, NETFLOWD_PROPERTY_FILTER,
        NETFLOWD_PROPERTY_BACKEND, NETFLOWD_PROPERTY_BACKEND_REASON, NETFLOWD_LIMIT_CPU_QUOTA,
        NETFLOWD_LIMIT_MEMORY_MAX, NETFLOWD_LIMIT_THROTTLED, NETFLOWD_LEDGER_UNATTRIBUTED "x",
        NETFLOWD_STATE_EXITED, "R", "", "\033[31m", "\302\2330m", "\316\274\360\237\246\212", "%s%n", "\n", "\177",
};
static const struct fuzz_words vocabulary = {.words = words, .n = sizeof(words) / sizeof(*words)};

static sd_bus *bus;                       /* leads to nobody */
static sd_bus_message *answer;            /* what is answered to the next call; and what the next signal is */
static sd_bus_message_handler_t follower; /* who wants signals; NULL: nobody, or they had it */
static void *follower_userdata;

/* What netflowctl takes from libsystemd and waits in, in place of libsystemd's own. */
int sd_bus_call(sd_bus *to, sd_bus_message *call, uint64_t usec, sd_bus_error *ret_error,
                sd_bus_message **ret_reply) {
        (void) to;
        (void) call;
        (void) usec;
        (void) ret_error;
        *ret_reply = sd_bus_message_ref(answer);
        return 1;
}

int sd_bus_match_signal(sd_bus *on, sd_bus_slot **ret_slot, const char *sender, const char *path,
                        const char *interface, const char *member, sd_bus_message_handler_t callback,
                        void *userdata) {
        (void) on;
        (void) ret_slot;
        (void) sender;
        (void) path;
        (void) interface;
        (void) member;
        follower = callback;
        follower_userdata = userdata;
        return 0;
}

int sd_bus_add_match(sd_bus *on, sd_bus_slot **ret_slot, const char *match, sd_bus_message_handler_t callback,
                     void *userdata) {
        (void) on;
        (void) ret_slot;
        (void) match;
        (void) callback;
        (void) userdata;
        return 0;
}

/* One signal, and the loop is over. */
int sd_event_loop(sd_event *event) {
        (void) event;
        expect(follower && sd_bus_message_rewind(answer, 1) >= 0);
        expect(follower(answer, follower_userdata, NULL) == 0);
        follower = NULL;
        return 0;
}

static void set_up(void) {
        int fds[2];

        expect(setlocale(LC_ALL, "C.UTF-8") && (stderr = fopen("/dev/null", "we")));
        expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
        expect(sd_bus_new(&bus) >= 0 && sd_bus_set_fd(bus, fds[0], fds[0]) >= 0 && sd_bus_start(bus) >= 0);
        close(fds[1]);
}

/* Nothing but text and newlines. */
static void check_text(const char *text, size_t length) {
        for (size_t i = 0; i < length; i++) {
                unsigned char c = (unsigned char) text[i];

                expect((c >= 0x20 && c != 0x7f) || c == '\n');
                expect(c != 0xc2 || (unsigned char) text[i + 1] >= 0xa0);
        }
}

static void check_json(const char *text) {
        json_object *json = json_tokener_parse(text);

        expect(json);
        json_object_put(json);
}

static void run(const struct arguments *arguments) {
        struct connection connection = {.bus = bus, .destination = NETFLOWD_BUS_NAME};
        const struct output output = {};
        FILE *terminal = stdout;
        char *text = NULL;
        size_t length = 0;
        int status;

        stdout = open_memstream(&text, &length);
        expect(stdout);
        status = arguments->verb->run(&connection, arguments, &output);
        expect(status == EXIT_SUCCESS || status == EXIT_FAILURE);
        expect(fclose(stdout) == 0);
        stdout = terminal;
        if (!arguments->json && !arguments->csv) /* CSV is for files: only on a terminal is it escaped */
                check_text(text, length);
        else if (arguments->json && length > 0)
                check_json(text);
        free(text);
}

/* Two bytes say what is asked and how, one of what type the answer is; the rest is the answer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const struct {
                const char *verb, *by;
        } questions[] = {{"rank", NULL},          {"rank", NETFLOWD_BY_APP}, {"rank", NETFLOWD_BY_REMOTE},
                         {"rank", NETFLOWD_BY_USER}, {"show", NULL},         {"flows", NULL},
                         {"status", NULL},        {"monitor", NULL}};
        static const struct {
                const char *member, *types;
        } answers[] = {{"X", "aa{sv}"}, {"X", "a{sv}"}, {NETFLOWD_SIGNAL_RANK_CHANGED, "uaa{sv}"},
                       {NETFLOWD_SIGNAL_PROCESSES_CHANGED, "aa{sv}aa{sv}u"}, {NETFLOWD_SIGNAL_RANK_CHANGED, "vv"},
                       {NETFLOWD_SIGNAL_PROCESSES_CHANGED, "vvv"}, {"X", "v"}, {"X", "avs"}};
        struct fuzz_input input = {.data = data, .size = size};
        struct arguments arguments = {.pid = 1, .limit = 10, .recent = 3};
        size_t question, form, how;

        if (!bus)
                set_up();
        question = fuzz_number(&input, 1) % (sizeof(questions) / sizeof(*questions));
        arguments.by = questions[question].by;
        how = fuzz_number(&input, 1);
        arguments.json = how & 1;
        arguments.csv = !arguments.json && how & 2;
        if (!arguments.json && how & 4)
                arguments.format = how & 8 ? BAR_FORMAT_WAYBAR : BAR_FORMAT_I3BLOCKS;
        form = fuzz_number(&input, 1) % (sizeof(answers) / sizeof(*answers));
        for (arguments.verb = verbs; strcmp(arguments.verb->name, questions[question].verb) != 0; arguments.verb++)
                ;
        expect(sd_bus_message_new_signal(bus, &answer, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                                         answers[form].member) >= 0);
        if (fuzz_append(answer, &input, &vocabulary, answers[form].types) >= 0 &&
            sd_bus_message_seal(answer, 1, 0) >= 0)
                run(&arguments);
        answer = sd_bus_message_unref(answer);
        return 0;
}
