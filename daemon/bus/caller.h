/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>
#include <systemd/sd-bus.h>

#include "util/macros.h"

/* Who is calling? dbus-daemon knows, and is asked without waiting for its answer. */
struct callers;

/* peer_uid: who is at the other end of a peer-to-peer connection; unused on a bus. Returns 0 or -ENOMEM. */
int callers_new(uid_t peer_uid, struct callers **ret_callers);
void callers_free(struct callers *callers);
DEFINE_CLEANUP(struct callers *, callers_free)

/* Answers a method call once its sender's user is known. Returns as a D-Bus method handler does. */
typedef int (*caller_handler)(sd_bus_message *message, uid_t uid, void *userdata, sd_bus_error *ret_error);

/* Calls handler with the sender's uid: at once where that is known, else when the bus has told it; then an
 * error is replied by this module. To be returned from a method handler. How many calls may wait at a time
 * is bounded; one more is refused with LimitsExceeded. */
int callers_ask(struct callers *callers, sd_bus_message *message, caller_handler handler, void *userdata,
                sd_bus_error *ret_error);
