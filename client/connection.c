/* SPDX-License-Identifier: MIT */
#include "connection.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "dbus/org.netflowd1.h"
#include "password_agent.h"
#include "standalone.h"
#include "util.h"

/* An answer takes milliseconds: who takes longer than this is not going to. */
#define CALL_TIMEOUT_USEC 10000000u

/* Unless somebody has to find their password. */
#define ASK_TIMEOUT_USEC 300000000u

int connection_open_system(struct connection *ret_connection) {
        struct connection connection = {.destination = NETFLOWD_BUS_NAME};
        int r;

        r = sd_bus_open_system(&connection.bus);
        if (r < 0)
                return fail("cannot reach the system bus (%s): is dbus running? --standalone needs none",
                            strerror(-r));
        *ret_connection = connection;
        return 0;
}

void connection_close(struct connection *connection) {
        connection->bus = sd_bus_flush_close_unref(connection->bus);
        if (connection->child > 0)
                standalone_reap(connection->child);
        connection->child = 0;
        if (connection->said > 0)
                standalone_relay(connection->said);
        connection->said = 0;
}

static bool is_broken(int r) {
        return r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE;
}

/* The name is known to the bus, but nobody has it, and it could not be started. */
static bool could_not_start(const sd_bus_error *error) {
        static const char *const prefixes[] = {"org.freedesktop.systemd1.",
                                               "org.freedesktop.DBus.Error.Spawn."};

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (error->name && strncmp(error->name, prefixes[i], strlen(prefixes[i])) == 0)
                        return true;
        return false;
}

static int fail_call(const struct connection *connection, const sd_bus_error *error, int r) {
        if (is_broken(r) && connection->child > 0 && standalone_has_failed(connection->child))
                return EXIT_FAILURE; /* it has said why */
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) || could_not_start(error))
                return fail("netflowd is not running: systemctl start netflowd, or use --standalone");
        if (sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
                return fail("access denied: %s", error->message);
        if (r == -ETIMEDOUT || sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY) ||
            sd_bus_error_has_name(error, SD_BUS_ERROR_TIMEOUT))
                return fail("netflowd does not answer: see journalctl -u netflowd");
        if (is_broken(r))
                return fail("netflowd went away: see journalctl -u netflowd");
        return fail("%s", error->message ? error->message : strerror(-r));
}

int connection_fail(const struct connection *connection, int error) {
        return fail_call(connection, &SD_BUS_ERROR_NULL, error);
}

int connection_send(struct connection *connection, sd_bus_message *message, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        bool ask = connection->may_ask && connection->destination;
        pid_t agent = ask ? password_agent_start() : 0;
        int r;

        if (ask)
                (void) sd_bus_message_set_allow_interactive_authorization(message, 1);
        r = sd_bus_call(connection->bus, message, ask ? ASK_TIMEOUT_USEC : CALL_TIMEOUT_USEC, &error,
                        ret_reply);
        password_agent_stop(agent);
        return r < 0 ? fail_call(connection, &error, r) : 0;
}

int connection_new_call(struct connection *connection, sd_bus_message **ret_call, const char *method) {
        return sd_bus_message_new_method_call(connection->bus, ret_call, connection->destination,
                                              NETFLOWD_OBJECT_PATH, NETFLOWD_INTERFACE, method);
}

int connection_call(struct connection *connection, sd_bus_message **ret_reply, const char *method,
                    const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        va_list arguments;
        int r;

        r = connection_new_call(connection, &message, method);
        if (r >= 0) {
                va_start(arguments, types);
                r = sd_bus_message_appendv(message, types, arguments);
                va_end(arguments);
        }
        if (r < 0)
                return fail_call(connection, &SD_BUS_ERROR_NULL, r);
        return connection_send(connection, message, ret_reply);
}

int connection_get_properties(struct connection *connection, sd_bus_message **ret_reply) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        int r;

        r = sd_bus_message_new_method_call(connection->bus, &message, connection->destination,
                                           NETFLOWD_OBJECT_PATH, "org.freedesktop.DBus.Properties",
                                           "GetAll");
        if (r >= 0)
                r = sd_bus_message_append(message, "s", NETFLOWD_INTERFACE);
        if (r < 0)
                return fail_call(connection, &SD_BUS_ERROR_NULL, r);
        return connection_send(connection, message, ret_reply);
}

int connection_check(struct connection *connection) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        return connection_get_properties(connection, &reply);
}

static int on_owner_changed(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        struct connection *connection = userdata;
        const char *owner;

        (void) ret_error;
        if (sd_bus_message_read(signal, "sss", NULL, NULL, &owner) < 0)
                return 0;
        if (connection->on_owner) {
                connection->on_owner(*owner != '\0', connection->userdata);
                return 0;
        }
        if (*owner != '\0')
                return 0;
        connection->gone = true;
        if (sd_bus_get_event(connection->bus))
                (void) sd_event_exit(sd_bus_get_event(connection->bus), EXIT_FAILURE);
        return 0;
}

int connection_match(struct connection *connection, sd_bus_message_handler_t handler,
                     void (*on_owner)(bool, void *), void *userdata) {
        int r;

        connection->on_owner = on_owner;
        connection->userdata = userdata;
        r = sd_bus_match_signal(connection->bus, NULL, connection->destination, NETFLOWD_OBJECT_PATH,
                                NETFLOWD_INTERFACE, NULL, handler, userdata);
        if (r >= 0 && connection->destination)
                r = sd_bus_add_match(connection->bus, NULL,
                                     "type='signal',sender='org.freedesktop.DBus',"
                                     "interface='org.freedesktop.DBus',member='NameOwnerChanged',"
                                     "arg0='" NETFLOWD_BUS_NAME "'",
                                     on_owner_changed, connection);
        return r;
}

int connection_follow_on(struct connection *connection, sd_bus_message_handler_t handler,
                         void (*on_owner)(bool, void *), void *userdata) {
        int r = connection_match(connection, handler, on_owner, userdata);

        if (r < 0)
                return fail("cannot follow signals: %s", strerror(-r));
        return connection_check(connection);
}

int connection_follow(struct connection *connection, sd_bus_message_handler_t handler, void *userdata) {
        return connection_follow_on(connection, handler, NULL, userdata);
}

int connection_wait(struct connection *connection, uint64_t usec) {
        uint64_t end = now_usec() + usec, now;

        while ((now = now_usec()) < end) {
                int r = sd_bus_process(connection->bus, NULL);

                if (r == 0)
                        r = sd_bus_wait(connection->bus, end - now);
                if (connection->gone)
                        r = -ECONNRESET;
                if (r < 0 && r != -EINTR)
                        return fail_call(connection, &SD_BUS_ERROR_NULL, r);
        }
        return 0;
}
