/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/bus.h"
#include "dbus/org.netflowd1.h"
#include "engine/engine_internal.h"
#include "message_builder.h"
#include "support.h"

/* A caller that asks for anything, over a socket pair: each call is answered, and what it asks for is passed on in
 * one piece. */

static const char *const words[] = {
        NETFLOWD_OPTION_SORT,    NETFLOWD_OPTION_FILTER, NETFLOWD_OPTION_DEVICES, NETFLOWD_OPTION_PID,
        NETFLOWD_OPTION_UNIT,    NETFLOWD_OPTION_TIMEOUT, NETFLOWD_OPTION_MAX_BYTES, NETFLOWD_BY_PROCESS,
        NETFLOWD_BY_APP,         NETFLOWD_BY_UNIT,       NETFLOWD_BY_USER,        NETFLOWD_BY_INTERFACE,
        NETFLOWD_BY_REMOTE,      NETFLOWD_BY_PROTOCOL,   NETFLOWD_SORT_TOTAL,     NETFLOWD_SORT_IN,
        NETFLOWD_SORT_OUT,       NETFLOWD_INTERFACE,     NETFLOWD_PROPERTY_LEDGER, NETFLOWD_PROPERTY_DEVICES,
        NETFLOWD_PROPERTY_FILTER, "%s%n", "", "\316\274",
};
static const struct fuzz_words vocabulary = {.words = words, .n = ELEMENTSOF(words)};

static const struct {
        const char *interface, *member, *types;
} calls[] = {
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_GET_PROCESS_RANK, "uu"},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_GET_PROCESS, "u"},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_GET_RANK, "suua{sv}"},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_LIST_FLOWS, "ua{sv}"},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_START_CAPTURE, "a{sv}"},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_STOP_CAPTURE, ""},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_STORE_PCAP, "ha{sv}"},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_STOP_PCAP, "t"},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_START_CAPTURE, "v"},
        {NETFLOWD_INTERFACE, NETFLOWD_METHOD_STORE_PCAP, "va{sv}"},
        {"org.freedesktop.DBus.Properties", "Get", "ss"},
        {"org.freedesktop.DBus.Properties", "GetAll", "s"},
        {"org.freedesktop.DBus.Properties", "Set", "ssv"},
        {"org.freedesktop.DBus.Introspectable", "Introspect", ""},
};

#define CALLS_MAX 8
#define TURNS_MAX 1000

static struct {
        struct engine *engine;
        struct limits_reader *limits;
        sd_event *event;
        struct bus *bus;
        sd_bus *caller;
} host;

/* --- what the bus is joined to --------------------------------------------------------------------------- */

static void read_text(const char *text) {
        expect(!text || strlen(text) < 1u << 20);
}

static int start_capture(const struct capture_request *request, void *userdata, struct source_error *ret_error) {
        (void) userdata;
        read_text(request->filter);
        for (size_t i = 0; request->devices && request->devices[i]; i++)
                read_text(request->devices[i]);
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "no such filter");
        return request->filter && *request->filter ? -EINVAL : request->devices ? -EIO : 0;
}

static void stop_capture(void *userdata) {
        (void) userdata;
}

static void disconnected(void *userdata) {
        (void) userdata;
        expect(false); /* no message may end the connection */
}

/* In place of the store's own, which capture. */
int store_start(struct store *store, const struct store_request *request, uint64_t *ret_id,
                struct source_error *ret_error) {
        (void) store;
        expect(fcntl(request->fd, F_GETFD) >= 0 && !request->path);
        close(request->fd);
        read_text(request->filter);
        read_text(request->unit);
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "no such filter");
        if (request->max_bytes > 0)
                return request->unit ? -EUSERS : request->filter ? -EINVAL : -EIO;
        *ret_id = request->timeout_usec;
        return 0;
}

int store_stop(struct store *store, uint64_t id, enum store_end end) {
        (void) store;
        (void) end;
        return id == 0 ? 0 : -ENOENT;
}

/* A savefile without a packet, for an engine that never captures. */
static struct engine *new_engine(void) {
        static const uint32_t header[] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 65535, 101 /* LINKTYPE_RAW */};
        struct source_error error;
        struct engine_config config;
        struct engine *engine;
        char path[64];
        int fd = memfd_create("savefile", MFD_CLOEXEC);

        expect(fd >= 0 && write(fd, header, sizeof(header)) == (ssize_t) sizeof(header));
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        engine_config_init(&config);
        config.backend = "file";
        config.savefile = path;
        config.proc_root = "/nowhere";
        expect(engine_new(&config, &engine, &error) == 0);
        engine->config.savefile = "";
        expect(process_watch_new(&engine->watch) == 0); /* which is not there for a savefile */
        close(fd);
        return engine;
}

/* Three processes, one of them nameless, and something that has none. */
static void fill_books(struct engine *engine) {
        for (uint32_t i = 0; i < 4; i++) {
                struct sample_owner owner = {.id = {.pid = 4194300 + i, .start_ticks = 5}, .uid = i, .uid_known = i > 0};
                struct sample sample = {.time_usec = 1700000000000000, .bytes = 100 * i, .packets = 1, .owner = &owner};

                if (i > 0)
                        strcpy(owner.name, "curl");
                if (i == 3) {
                        sample.owner = NULL;
                        sample.keyless = true;
                }
                engine_take_sample(&sample, engine);
        }
}

static void set_up(void) {
        int fds[2];

        host.engine = new_engine();
        fill_books(host.engine);
        expect(limits_reader_new_from("/nowhere", "", "", &host.limits) == 0);
        expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
        expect(sd_event_new(&host.event) >= 0);
        expect(bus_new_peer(host.event,
                            &(struct bus_config){.engine = host.engine,
                                                 .limits = host.limits,
                                                 .signal_limit = 10,
                                                 .start_capture = start_capture,
                                                 .stop_capture = stop_capture,
                                                 .disconnected = disconnected},
                            fds[0], &host.bus) == 0);
        expect(sd_bus_new(&host.caller) >= 0 && sd_bus_set_fd(host.caller, fds[1], fds[1]) >= 0 &&
               sd_bus_start(host.caller) >= 0);
        /* until both have met: a message with a descriptor would wait for that */
        while (sd_bus_is_ready(host.caller) <= 0)
                expect(sd_event_run(host.event, 0) >= 0 && sd_bus_process(host.caller, NULL) >= 0);
}

/* --- the caller ------------------------------------------------------------------------------------------ */

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        size_t *answered = userdata;

        (void) ret_error;
        (*answered)++;
        if (error) /* with a name of the contract's, and a sentence */
                expect(strncmp(error->name, "System.Error.", 13) != 0 && error->message && *error->message);
        return 1;
}

/* Returns whether there was a message to be sent. */
static bool call(struct fuzz_input *input, sd_bus_slot **ret_slot, size_t *answered) {
        size_t i = fuzz_number(input, 1) % ELEMENTSOF(calls);
        sd_bus_message *message;
        bool sent;

        expect(sd_bus_message_new_method_call(host.caller, &message, NULL, NETFLOWD_OBJECT_PATH, calls[i].interface,
                                              calls[i].member) >= 0);
        sent = fuzz_append(message, input, &vocabulary, calls[i].types) >= 0;
        if (sent)
                expect(sd_bus_call_async(host.caller, ret_slot, message, on_reply, answered, UINT64_MAX) >= 0);
        sd_bus_message_unref(message);
        return sent;
}

static void wait_for_answers(size_t sent, const size_t *answered) {
        for (int turn = 0; *answered < sent; turn++) {
                expect(turn < TURNS_MAX);
                expect(sd_event_run(host.event, 0) >= 0);
                while (sd_bus_process(host.caller, NULL) > 0)
                        ;
        }
}

/* Calls one after the other: a byte says which, and what follows are its arguments. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct fuzz_input input = {.data = data, .size = size};
        sd_bus_slot *slots[CALLS_MAX] = {};
        size_t sent = 0, answered = 0;

        if (!host.bus)
                set_up();
        while (sent < CALLS_MAX && input.size > 0 && call(&input, &slots[sent], &answered))
                sent++;
        wait_for_answers(sent, &answered);
        expect(answered == sent);
        for (size_t i = 0; i < CALLS_MAX; i++)
                sd_bus_slot_unref(slots[i]);
        return 0;
}
