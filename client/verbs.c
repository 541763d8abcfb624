/* SPDX-License-Identifier: MIT */
#include "verbs.h"

const struct verb verbs[] = {
        {"rank", NULL, "the processes with the most traffic (default)", verb_rank, 0},
        {"show", "PID", "all that is known of one process", verb_show, 0},
        {"flows", "[PID]", "live flows, of one process or of all you may see", verb_flows, VERB_MAY_ASK},
        {"status", NULL, "what netflowd does, its limits and its ledger", verb_status, 0},
        {"monitor", NULL, "signals, as they come", verb_monitor, VERB_LIVE},
        {"pcap", NULL, "record packets to the file of -w, until Ctrl-C or a limit", verb_pcap,
         VERB_LIVE | VERB_MAY_ASK},
        {"start", NULL, "start the capture again, or change how it runs", verb_start, VERB_LIVE | VERB_MAY_ASK},
        {"stop", NULL, "stop the capture; what was counted stays", verb_stop, VERB_LIVE | VERB_MAY_ASK},
        {},
};
