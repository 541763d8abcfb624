/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "util/macros.h"

/* Who is calling, and what may they do? dbus-daemon and polkit know, and are asked without waiting for their
 * answer. */
struct callers;

struct caller {
        uid_t uid;
        bool granted; /* root, whoever has us for themselves, or whom polkit grants the action asked for */
        size_t call_bytes; /* of arguments: what their call takes while it waits */
};

/* peer_uid: who is at the other end of a peer-to-peer connection; unused on a bus. Returns 0 or -ENOMEM. */
int callers_new(uid_t peer_uid, struct callers **ret_callers);
void callers_free(struct callers *callers);
DEFINE_CLEANUP(struct callers *, callers_free)

/* Answers a method call once its sender is known. Returns as a D-Bus method handler does. */
typedef int (*caller_handler)(sd_bus_message *message, const struct caller *caller, void *userdata,
                              sd_bus_error *ret_error);

/* Bytes of arguments that a call may have: what is enough for most, and for one with a filter, which may be 64
 * KiB, and the names of devices. */
#define CALL_BYTES        4096u
#define CALL_BYTES_FILTER (128u << 10)

/* Calls handler with the sender and a copy of the call, see call_copy(): at once where the sender is known, else
 * when the bus has told who it is; then an error is replied by this module. To be returned from a method
 * handler. How many calls may wait at a time is bounded, for all and for each caller, and so are their bytes;
 * one more is refused with LimitsExceeded. */
int callers_ask(struct callers *callers, sd_bus_message *call, size_t max_bytes, caller_handler handler,
                void *userdata, sd_bus_error *ret_error);

/* What callers_ask() called may go on here: asks polkit for an action (see org.netflowd1.policy) unless it is
 * granted without. The user is asked for a password only when `interactive` and the call allows it. Without
 * polkit it is not granted. To be returned from the handler. */
int callers_authorize(struct callers *callers, sd_bus_message *message, const struct caller *caller,
                      const char *action, bool interactive, caller_handler handler, void *userdata,
                      sd_bus_error *ret_error);
