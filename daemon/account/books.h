/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "account/dimension.h"
#include "account/flow_table.h"
#include "account/fragment_table.h"
#include "account/process_table.h"
#include "account/traffic.h"
#include "model/ledger.h"
#include "model/sample.h"
#include "util/macros.h"

/* All that is booked: flows gather bytes, and each byte is settled once, to a process or to a reason. At any
 * moment seen = attributed + unattributed by reason, where what flows still hold is `pending`. */
struct books {
        struct process_table *processes;
        struct flow_table *flows;
        struct fragment_table *fragments;
        struct dimensions *dimensions;
        struct traffic unattributed[UNATTRIBUTED_MAX]; /* pending is not here: flows hold it */
        struct ledger ledger;
        uint64_t lost_buckets; /* additions that no memory was left for: their totals count, windows miss
                                  them */
};

struct books_limits {
        uint32_t max_flows;
        uint32_t max_fragments;
        uint32_t max_values; /* of each dimension */
        struct process_limits processes;
};

/* Returns 0, -EINVAL or -ENOMEM. */
int books_new(const struct books_limits *limits, struct books **ret_books);
void books_free(struct books *books);
DEFINE_CLEANUP(struct books *, books_free)

/* Enters one sample: adds it to the flow (for DIRECTION_LOCAL to the two flows) it belongs to, which then is
 * on the list of touched flows, or straight to the reason why it has none. */
void books_enter(struct books *books, const struct sample *sample);

/* Enters a sample whose owner is known, or that has none for that reason. */
void books_enter_process(struct books *books, struct process *process, const struct sample *sample);
void books_enter_reason(struct books *books, const struct sample *sample, enum unattributed reason);

/* Settles what a flow holds, and takes it out of `pending` in the ledger. */
void books_settle_process(struct books *books, struct process *process, struct flow *flow);
void books_settle_unattributed(struct books *books, enum unattributed reason, struct flow *flow);

/* Once a second, at now_usec (CLOCK_REALTIME): trims, folds and forgets what is out of the longest window.
 */
void books_expire(struct books *books, uint64_t now_usec);
