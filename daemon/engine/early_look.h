/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/process.h"
#include "owner/owner_lookup.h"
#include "source/source.h"
#include "util/macros.h"

/* Looks at connections, and UDP flows, as they begin: who opens them, and who that is, before both are gone. A thread of
 * its own does it, for which a drain, a walk over /proc or an answer on the bus is never too long. It sleeps while none
 * begins. What it costs is bounded: beyond its share of time they begin unseen, and the drains find what they find. */
struct early_look;

/* Begins. proc_root outlives it. Returns 0, or a negative errno with *ret_error. */
int early_look_start(const char *proc_root, struct early_look **ret_look, struct source_error *ret_error);
void early_look_stop(struct early_look *look);
DEFINE_CLEANUP(struct early_look *, early_look_stop)

/* The share of time is one in so many of what it has by itself: more of them while the processor is short; at least 1.
 * quota_usec: what all threads of the process may use, per second; UINT64_MAX: as much as there is. */
void early_look_set_limits(struct early_look *look, uint32_t parts, uint64_t quota_usec);

/* As openings_find() and openings_stats(). */
bool early_look_find(struct early_look *look, const struct owner_question *question, struct owner *ret_owner);
void early_look_stats(struct early_look *look, struct owner_stats *stats);

/* What was read of a process when it opened a connection, where that is remembered: the caller's to
 * process_info_done(). Returns 0 or -ENOENT. */
int early_look_take_info(struct early_look *look, const struct process_id *id, struct process_info *ret_info);
