/* SPDX-License-Identifier: MIT */
#pragma once

#include "bus/bus.h"

/* Who asked for which recording: one that is asked for over the bus ends when its caller leaves it. */
struct recordings;

/* Returns 0 or -ENOMEM. */
int recordings_new(struct store *store, struct recordings **ret_recordings);

/* Ends those that still run. */
void recordings_free(struct recordings *recordings);
DEFINE_CLEANUP(struct recordings *, recordings_free)

/* Follows whoever made this call. Returns 0 or a negative errno. */
int recordings_add(struct recordings *recordings, uint64_t id, sd_bus_message *call);

/* Was it asked for by whoever makes this call? */
bool recordings_is_own(const struct recordings *recordings, uint64_t id, sd_bus_message *call);

/* It has ended. */
void recordings_forget(struct recordings *recordings, uint64_t id);
