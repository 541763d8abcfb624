/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "limits/limits.h"
#include "store/store.h"

/* What the journal has been told of what went wrong: each kind at once, and then at most once a minute with
 * all that has come since. Zero-initialised is nothing. */
struct report {
        uint64_t dropped, dropped_told_usec;     /* packets */
        uint64_t unasked, unasked_told_usec;     /* bytes that are unattributed-not-looked-up */
        uint64_t lost, lost_told_usec;           /* additions to windows that there was no memory for */
        uint64_t untold, untold_told_usec;       /* events of owners that the kernel had no room for */
        uint64_t throttled, throttled_told_usec; /* µs, as last told; */
        uint64_t throttled_seen;                 /* and as last seen */
};

/* What there is: the backend, how owners are found, and what limits hold. */
void report_start(struct engine *engine, const struct limits *limits);

/* How a recording went. */
void report_recording(const struct store_result *result);

/* Once a second. */
void report_losses(struct report *report, struct engine *engine);

/* Once a second. Returns whether the processor quota has held us up for a part of it that matters. */
bool report_throttling(struct report *report, const struct limits *limits);
