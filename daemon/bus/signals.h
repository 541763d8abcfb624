/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-bus.h>

#include "engine/engine.h"
#include "owner/users.h"
#include "util/macros.h"

/* RankChanged and ProcessesChanged, and what of the rank was told last. */
struct signals;

/* limit: rows of RankChanged, > 0. Returns 0 or -ENOMEM. */
int signals_new(uint32_t limit, struct signals **ret_signals);
void signals_free(struct signals *signals);
DEFINE_CLEANUP(struct signals *, signals_free)

/* Another limit. Returns 0, or -ENOMEM: it is as it was. */
int signals_set_limit(struct signals *signals, uint32_t limit);

/* Sends what there is to tell since the last call; nothing when nothing moved. Returns 0 or a negative errno
 * of sd-bus. */
int signals_send(struct signals *signals, sd_bus *connection, struct engine *engine, struct users *users);
