/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/flow_key.h"
#include "model/process.h"
#include "model/unattributed.h"

enum direction {
        DIRECTION_IN,    /* received by this host */
        DIRECTION_OUT,   /* sent by this host */
        DIRECTION_LOCAL, /* between two local sockets: out for key.local's side and in for the other one */
        DIRECTION_FORWARDED, /* neither end is ours; the key is source and destination */
};

enum fragment {
        FRAGMENT_NONE,  /* a whole packet */
        FRAGMENT_FIRST, /* carries the transport header: ports are known */
        FRAGMENT_LATER, /* does not: goes with the first one of the same addresses, protocol and id */
};

/* Who has a sample, from a source that knows. What it does not know is left at 0. */
struct sample_owner {
        struct process_id id;
        char name[PROCESS_NAME_MAX]; /* comm of the thread group leader; "": unknown */
        bool uid_known;
        uid_t uid;          /* effective */
        const char *cgroup; /* its path below the root of the cgroup2 hierarchy; NULL: unknown */
};

/* What a source hands to the engine: so many bytes of one flow, at one time. A source that counts by process
 * and not by flow leaves addresses and ports of the key at 0 (v4-mapped or not, as IPv4 or IPv6 it was), and knows
 * of interfaces only whether it was the loopback one, which is 1 in every network namespace. */
struct sample {
        struct flow_key key;
        uint64_t time_usec; /* CLOCK_REALTIME, the packet's own stamp; of several, the first one's */
        uint64_t last_usec; /* the last one's; 0: it is the only one */
        uint64_t bytes;     /* at the IP layer: IP header and up */
        uint32_t packets;
        uint32_t ifindex;     /* 0: unknown */
        uint32_t fragment_id; /* of the IP header, host order, with FRAGMENT_FIRST and FRAGMENT_LATER */
        enum direction direction;
        enum fragment fragment;
        bool loopback;            /* it went over a loopback interface; in a savefile, which has none: it only could
                                   * have */
        bool connection_start;    /* a TCP SYN: whatever this tuple was before, it is something new now */
        bool keyless;             /* the key is empty and nobody is asked for; reason says why */
        enum unattributed reason; /* with keyless only */
        const struct sample_owner *owner; /* good for the length of the call; NULL: to be looked up */
};

typedef void (*sample_handler)(const struct sample *sample, void *userdata);
