/* SPDX-License-Identifier: MIT */
#include "verbs.h"

const struct verb verbs[] = {
        {"rank", NULL, "the processes with the most traffic (default)", verb_rank, VERB_ANSWERS},
        {"show", "PID", "all that is known of one process", verb_show, VERB_ANSWERS},
        {"flows", "[PID]", "live flows, of one process or of all you may see", verb_flows,
         VERB_MAY_ASK | VERB_ANSWERS},
        {"status", NULL, "what netflowd does, its limits and its ledger", verb_status, VERB_ANSWERS},
        {"top", NULL, "live, on the whole screen; ? shows the keys", verb_top, VERB_LIVE | VERB_SCREEN},
        {"monitor", NULL, "signals, as they come", verb_monitor, VERB_LIVE},
        {"pcap", NULL, "record packets to the file of -w, until Ctrl-C or a limit", verb_pcap,
         VERB_LIVE | VERB_MAY_ASK},
        {"start", NULL, "start the capture again, or change how it runs", verb_start, VERB_LIVE | VERB_MAY_ASK},
        {"stop", NULL, "stop the capture; what was counted stays", verb_stop, VERB_LIVE | VERB_MAY_ASK},
        {},
};
