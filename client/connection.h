/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

/* To netflowd: over the system bus, or to one of our own over a socket pair. */
struct connection {
        sd_bus *bus;
        const char *destination; /* bus name to call; NULL: our own netflowd */
        pid_t child;             /* our own netflowd; 0: none */
        int said;                /* where what it says is kept until the end; 0: nowhere */
        bool may_ask;            /* a password may be asked for, on the terminal where there is one */
        bool gone;               /* netflowd has left the bus, since connection_follow() */
        void (*on_owner)(bool is_there, void *userdata); /* of connection_match(); NULL */
        void *userdata;                                  /* its */
};

/* Says what failed. Returns 0 or EXIT_FAILURE. */
int connection_open_system(struct connection *ret_connection);

/* Closes it and, where netflowd is our own, waits for its end. */
void connection_close(struct connection *connection);

/* Calls a method of the Manager with arguments of sd_bus_message_append(3). Says what failed, and returns 0
 * or EXIT_FAILURE. The caller unrefs *ret_reply. */
int connection_call(struct connection *connection, sd_bus_message **ret_reply, const char *method,
                    const char *types, ...);

/* The same in two steps, for arguments that need more than a format. connection_new_call() says nothing, and
 * returns 0 or a negative errno; the caller unrefs *ret_call. */
int connection_new_call(struct connection *connection, sd_bus_message **ret_call, const char *method);
int connection_send(struct connection *connection, sd_bus_message *call, sd_bus_message **ret_reply);

/* Says that netflowd does not answer, and why. Returns EXIT_FAILURE. */
int connection_fail(const struct connection *connection, int error);

/* All properties, as a{sv}. As above. */
int connection_get_properties(struct connection *connection, sd_bus_message **ret_reply);

/* Is netflowd there? Says so where it is not, and returns EXIT_FAILURE; else 0. */
int connection_check(struct connection *connection);

/* Calls handler with each signal of the Manager, and from now on notices when netflowd leaves the bus. As
 * above. */
int connection_follow(struct connection *connection, sd_bus_message_handler_t handler, void *userdata);

/* The same, but goes on when netflowd leaves the bus: calls on_owner when it does, and when it is back. Where it is
 * not there to begin with it returns EXIT_FAILURE, having said so, and follows it all the same. */
int connection_follow_on(struct connection *connection, sd_bus_message_handler_t handler,
                         void (*on_owner)(bool is_there, void *userdata), void *userdata);

/* What is common to both: has handler told of netflowd's signals, and on_owner (NULL: as connection_follow() does) of
 * its coming and going, without asking it for anything. Returns 0 or a negative errno, of which nothing is said. */
int connection_match(struct connection *connection, sd_bus_message_handler_t handler,
                     void (*on_owner)(bool is_there, void *userdata), void *userdata);

/* Lets the bus work for so long; returns early, with EXIT_FAILURE having said so, when netflowd goes away.
 */
int connection_wait(struct connection *connection, uint64_t usec);
