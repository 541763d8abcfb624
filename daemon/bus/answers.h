/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "bus/caller.h"

/* Answers that may be large are put together one at a time: the next one only when the one before has left
 * for the bus. However many clients ask for all there is at once, no more than one such answer takes memory.
 */
struct answers;

/* Both outlive it. Returns 0 or a negative errno. */
int answers_new(sd_bus *connection, sd_event *event, struct answers **ret_answers);
void answers_free(struct answers *answers);
DEFINE_CLEANUP(struct answers *, answers_free)

/* Calls handler, at once or when its turn comes; then an error is replied by this module. How many calls may
 * wait at a time is bounded, for all and for each user; one more is refused with LimitsExceeded. Returns as a D-Bus method handler
 * does. */
int answers_make(struct answers *answers, sd_bus_message *call, const struct caller *caller,
                 caller_handler handler, void *userdata, sd_bus_error *ret_error);
