/* SPDX-License-Identifier: MIT */
#include "bus/bus.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bus/bus_internal.h"
#include "dbus/org.netflowd1.h"
#include "util/clock.h"

/* A peer that does not read gets no more signals once this many messages wait for it, and is given up for
 * lost at several times that: answers to its calls pile up too. A bus holds to its own limits. */
#define QUEUE_SIGNALS_MAX 64u
#define QUEUE_MAX         1024u

/* dbus-daemon reads nothing more from us while as much as max_incoming_bytes of what we said waits for others
 * to read it, which one client that never reads can bring about: dbus-daemon(1). */
#define STUCK_USEC (5 * USEC_PER_SEC)

/* What is still queued in the end is waited for so long. */
#define FLUSH_USEC USEC_PER_SEC

static int on_disconnected(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        (void) message;
        (void) ret_error;
        bus->config.disconnected(bus->config.userdata);
        return 0;
}

static uint64_t count_queued(const struct bus *bus) {
        uint64_t queued;

        return sd_bus_get_n_queued_write(bus->connection, &queued) < 0 ? 0 : queued;
}

/* What we have sent and the bus has not read, unix(7) SIOCOUTQ: less of it than the last time means that it reads.
 * Looked at as calls come in, too: who waits for an answer calls again when the bus has read it. */
static void note_unread(struct bus *bus) {
        int unread;

        if (!bus_is_connected(bus) || ioctl(sd_bus_get_fd(bus->connection), SIOCOUTQ, &unread) < 0)
                unread = 0;
        if (unread == 0 || unread < bus->unread)
                bus->read_usec = clock_usec(CLOCK_MONOTONIC);
        bus->unread = unread;
}

/* Runs before each call is handled: one that would add to a queue that nobody reads ends the connection
 * instead. Returns 1 where no call is handled any more. */
static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        (void) message;
        (void) ret_error;
        if (bus->closing)
                return 1;
        note_unread(bus);
        if (count_queued(bus) <= QUEUE_MAX)
                return 0;
        sd_bus_close(bus->connection); /* which tells nobody */
        bus->config.disconnected(bus->config.userdata);
        return 1;
}

static int bus_serve(struct bus *bus, sd_event *event) {
        int r;

        r = answers_new(bus->connection, event, &bus->answers);
        if (r < 0)
                return r;
        r = sd_bus_add_filter(bus->connection, NULL, on_message, bus);
        if (r < 0)
                return r;
        r = sd_bus_add_object_vtable(bus->connection, NULL, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                                     bus_vtable, bus);
        if (r < 0)
                return r;
        r = sd_bus_match_signal(bus->connection, NULL, "org.freedesktop.DBus.Local",
                                "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local", "Disconnected",
                                on_disconnected, bus);
        if (r < 0)
                return r;
        return sd_bus_attach_event(bus->connection, event, SD_EVENT_PRIORITY_NORMAL);
}

static int bus_new(const struct bus_config *config, uid_t peer_uid, struct bus **ret_bus) {
        _cleanup_(bus_freep) struct bus *bus = calloc(1, sizeof(*bus));
        int r;

        if (!bus)
                return -ENOMEM;
        bus->config = *config;
        r = callers_new(peer_uid, &bus->callers);
        if (r < 0)
                return r;
        r = users_new("/etc/passwd", &bus->users);
        if (r < 0)
                return r;
        r = signals_new(config->signal_limit, &bus->signals);
        if (r < 0)
                return r;
        r = recordings_new(bus->config.store, &bus->recordings);
        if (r < 0)
                return r;

        *ret_bus = TAKE_PTR(bus);
        return 0;
}

/* sd_bus_flush() waits for as long as the other end does not read. */
static void flush(struct bus *bus) {
        uint64_t end = clock_usec(CLOCK_MONOTONIC) + FLUSH_USEC, now;

        bus->closing = true;
        while (bus_is_connected(bus) && count_queued(bus) > 0 && (now = clock_usec(CLOCK_MONOTONIC)) < end) {
                struct pollfd writable = {.fd = sd_bus_get_fd(bus->connection), .events = POLLOUT};
                int r = sd_bus_process(bus->connection, NULL);

                if (r < 0)
                        return;
                if (r == 0)
                        (void) poll(&writable, 1, (int) ((end - now) / USEC_PER_MSEC));
        }
}

void bus_free(struct bus *bus) {
        if (!bus)
                return;
        recordings_free(bus->recordings);
        callers_free(bus->callers);
        answers_free(bus->answers);
        if (bus->connection) {
                (void) sd_bus_detach_event(bus->connection);
                flush(bus);
                sd_bus_close_unref(bus->connection);
        }
        users_free(bus->users);
        signals_free(bus->signals);
        free(bus);
}

/* org.freedesktop.DBus.RequestName: 1 is primary owner, 3 exists. */
static int on_name(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;
        uint32_t result;
        int r = 0;

        (void) ret_error;
        if (bus->closing)
                return 1;
        if (sd_bus_message_is_method_error(reply, NULL))
                r = -sd_bus_message_get_errno(reply);
        else if (sd_bus_message_read(reply, "u", &result) < 0)
                r = -EBADMSG;
        else if (result != 1)
                r = -EEXIST;
        bus->config.connected(r, bus->config.userdata);
        return 1;
}

int bus_new_system(sd_event *event, const struct bus_config *config, struct bus **ret_bus) {
        _cleanup_(bus_freep) struct bus *bus = NULL;
        int r;

        r = bus_new(config, (uid_t) -1, &bus);
        if (r < 0)
                return r;
        r = sd_bus_open_system_with_description(&bus->connection, "system");
        if (r < 0)
                return r;
        r = bus_serve(bus, event);
        if (r < 0)
                return r;
        r = sd_bus_request_name_async(bus->connection, NULL, NETFLOWD_BUS_NAME,
                                      SD_BUS_NAME_ALLOW_REPLACEMENT |
                                              (config->replace ? SD_BUS_NAME_REPLACE_EXISTING : 0),
                                      on_name, bus);
        if (r < 0)
                return r;

        *ret_bus = TAKE_PTR(bus);
        return 0;
}

static int open_peer(struct bus *bus, int fd) {
        sd_id128_t id;
        int r;

        r = sd_id128_randomize(&id);
        if (r < 0)
                return r;
        r = sd_bus_new(&bus->connection);
        if (r < 0)
                return r;
        r = sd_bus_set_fd(bus->connection, fd, fd);
        if (r < 0)
                return r;
        r = sd_bus_set_server(bus->connection, 1, id);
        if (r < 0)
                return r;
        r = sd_bus_set_trusted(bus->connection, 1); /* whoever holds the other end was given it */
        return r < 0 ? r : sd_bus_start(bus->connection);
}

int bus_new_peer(sd_event *event, const struct bus_config *config, int fd, struct bus **ret_bus) {
        _cleanup_(bus_freep) struct bus *bus = NULL;
        struct ucred peer = {};
        socklen_t length = sizeof(peer);
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0)
                return -errno;
        r = bus_new(config, peer.uid, &bus);
        if (r < 0)
                return r;
        r = open_peer(bus, fd);
        if (r < 0)
                return r;
        r = bus_serve(bus, event);
        if (r < 0)
                return r;

        *ret_bus = TAKE_PTR(bus);
        return 0;
}

bool bus_is_connected(const struct bus *bus) {
        return sd_bus_is_open(bus->connection) > 0;
}

bool bus_is_stuck(struct bus *bus) {
        note_unread(bus);
        return clock_usec(CLOCK_MONOTONIC) - bus->read_usec >= STUCK_USEC;
}

void bus_drop(struct bus *bus) {
        sd_bus_close(bus->connection);
}

void bus_send_signals(struct bus *bus) {
        if (!bus_is_connected(bus) || count_queued(bus) > QUEUE_SIGNALS_MAX)
                return;
        /* what fails here fails because the connection does, which its own signal tells of */
        (void) signals_send(bus->signals, bus->connection, bus->config.engine, bus->users);
}

int bus_set_signal_limit(struct bus *bus, uint32_t limit) {
        return signals_set_limit(bus->signals, limit);
}

/* And the backend, with how it finds owners, which may have been chosen anew. */
static void property_changed(struct bus *bus, const char *name) {
        (void) sd_bus_emit_properties_changed(bus->connection, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                                              name, NETFLOWD_PROPERTY_BACKEND,
                                              NETFLOWD_PROPERTY_BACKEND_REASON, NETFLOWD_PROPERTY_OWNERS,
                                              NETFLOWD_PROPERTY_OWNERS_REASON, NULL);
}

void bus_filter_changed(struct bus *bus) {
        property_changed(bus, NETFLOWD_PROPERTY_FILTER);
}

void bus_capture_started(struct bus *bus) {
        (void) sd_bus_emit_signal(bus->connection, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                                  NETFLOWD_SIGNAL_CAPTURE_STARTED, "");
        property_changed(bus, NETFLOWD_PROPERTY_CAPTURING);
}

void bus_capture_stopped(struct bus *bus, const char *reason) {
        (void) sd_bus_emit_signal(bus->connection, NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE,
                                  NETFLOWD_SIGNAL_CAPTURE_STOPPED, "s", reason);
        property_changed(bus, NETFLOWD_PROPERTY_CAPTURING);
}
