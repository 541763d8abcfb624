/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "dbus/org.netflowd1.h"
#include "format_units.h"
#include "util.h"
#include "verbs.h"

struct recording {
        struct connection *connection;
        uint64_t id;
        bool begun;
        int status;
};

static int open_file(const char *path, int *ret_fd) {
        int fd;

        if (strcmp(path, "-") == 0) {
                if (isatty(STDOUT_FILENO))
                        return fail("a savefile is nothing for a terminal: -w FILE, or pipe it somewhere");
                fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
        } else
                fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0)
                return fail("%s: %s", path, strerror(errno));
        *ret_fd = fd;
        return 0;
}

static int append_text(sd_bus_message *call, const char *key, const char *text) {
        return text ? sd_bus_message_append(call, "{sv}", key, "s", text) : 0;
}

static int append_number(sd_bus_message *call, const char *key, uint64_t number) {
        return number > 0 ? sd_bus_message_append(call, "{sv}", key, "t", number) : 0;
}

static int append_request(sd_bus_message *call, const struct arguments *arguments, int fd) {
        int r;

        r = sd_bus_message_append(call, "h", fd);
        if (r >= 0)
                r = sd_bus_message_open_container(call, 'a', "{sv}");
        if (r >= 0)
                r = append_text(call, NETFLOWD_OPTION_FILTER, arguments->filter);
        if (r >= 0)
                r = append_text(call, NETFLOWD_OPTION_UNIT, arguments->unit);
        if (r >= 0 && arguments->pid > 0)
                r = sd_bus_message_append(call, "{sv}", NETFLOWD_OPTION_PID, "u", arguments->pid);
        if (r >= 0)
                r = append_number(call, NETFLOWD_OPTION_TIMEOUT, arguments->timeout_usec);
        if (r >= 0)
                r = append_number(call, NETFLOWD_OPTION_MAX_BYTES, arguments->max_bytes);
        return r < 0 ? r : sd_bus_message_close_container(call);
}

static bool is_good_end(const char *reason) {
        static const char *const good[] = {NETFLOWD_PCAP_REQUESTED, NETFLOWD_PCAP_TIMEOUT, NETFLOWD_PCAP_SIZE,
                                           NETFLOWD_PCAP_CLOSED};

        for (size_t i = 0; i < ELEMENTSOF(good); i++)
                if (strcmp(reason, good[i]) == 0)
                        return true;
        return false;
}

/* To standard error, as tcpdump(8) does: standard output may be the file. */
static int on_stopped(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        struct recording *recording = userdata;
        uint64_t id, packets, bytes, dropped;
        char text[UNITS_MAX];
        const char *reason;

        (void) ret_error;
        if (strcmp(sd_bus_message_get_member(signal), NETFLOWD_SIGNAL_PCAP_STOPPED) != 0 ||
            sd_bus_message_read(signal, "tsttt", &id, &reason, &packets, &bytes, &dropped) < 0 ||
            !recording->begun || id != recording->id)
                return 0;
        (void) fprintf(stderr, "%" PRIu64 " packets recorded (%s), %" PRIu64 " lost\n", packets,
                       format_bytes(bytes, text), dropped);
        recording->status = is_good_end(reason) ? EXIT_SUCCESS : fail("the recording has ended: %s", reason);
        return sd_event_exit(sd_bus_get_event(recording->connection->bus), 0);
}

/* Ctrl-C: netflowd writes what was on the wire until now, and its signal ends us. */
static int on_interrupt(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        struct recording *recording = userdata;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        (void) info;
        (void) sd_event_source_set_enabled(source, SD_EVENT_OFF);
        if (connection_call(recording->connection, &reply, NETFLOWD_METHOD_STOP_PCAP, "t", recording->id) == 0)
                return 0;
        recording->status = EXIT_FAILURE;
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

/* From here on Ctrl-C is for on_interrupt(). */
static void block_interrupts(void) {
        sigset_t signals;

        sigemptyset(&signals);
        sigaddset(&signals, SIGINT);
        sigaddset(&signals, SIGTERM);
        (void) sigprocmask(SIG_BLOCK, &signals, NULL);
}

static int begin(struct recording *recording, const struct arguments *arguments, int fd) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL, *reply = NULL;
        struct connection *connection = recording->connection;
        int r;

        r = connection_new_call(connection, &call, NETFLOWD_METHOD_STORE_PCAP);
        if (r >= 0)
                r = append_request(call, arguments, fd);
        if (r < 0)
                return fail("cannot ask netflowd: %s", strerror(-r));
        r = connection_send(connection, call, &reply);
        if (r != 0)
                return r;
        if (sd_bus_message_read(reply, "t", &recording->id) < 0)
                return fail("netflowd answered something else than an id");
        recording->begun = true;
        block_interrupts();
        (void) fprintf(stderr, "recording to %s\n", arguments->write);
        return 0;
}

static int run_loop(struct recording *recording, sd_event *event) {
        int r;

        r = sd_event_add_signal(event, NULL, SIGINT, on_interrupt, recording);
        if (r >= 0)
                r = sd_event_add_signal(event, NULL, SIGTERM, on_interrupt, recording);
        if (r >= 0)
                r = sd_bus_attach_event(recording->connection->bus, event, SD_EVENT_PRIORITY_NORMAL);
        if (r >= 0)
                r = sd_bus_set_exit_on_disconnect(recording->connection->bus, 1);
        if (r >= 0)
                r = sd_event_loop(event);
        (void) sd_bus_detach_event(recording->connection->bus);
        return r < 0 ? fail("cannot wait for netflowd: %s", strerror(-r)) : recording->status;
}

int verb_pcap(struct connection *connection, const struct arguments *arguments,
              const struct output *output) {
        struct recording recording = {.connection = connection, .status = -1};
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        int fd = -1, r;

        (void) output;
        r = open_file(arguments->write, &fd);
        if (r != 0)
                return r;
        r = connection_follow(connection, on_stopped, &recording);
        if (r == 0)
                r = begin(&recording, arguments, fd);
        close(fd);
        if (r != 0)
                return r;
        r = sd_event_new(&event);
        if (r < 0)
                return fail("cannot make an event loop: %s", strerror(-r));
        r = run_loop(&recording, event);
        return r < 0 ? fail("netflowd went away: see journalctl -u netflowd") : r;
}
