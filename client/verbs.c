/* SPDX-License-Identifier: MIT */
#include "verbs.h"

const struct verb verbs[] = {
        {"rank", NULL, "the processes with the most traffic (default)", verb_rank, false},
        {"show", "PID", "all that is known of one process", verb_show, false},
        {"status", NULL, "what netflowd does, and its ledger", verb_status, false},
        {"monitor", NULL, "signals, as they come", verb_monitor, true},
        {},
};
