/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "account/process_table.h"
#include "account/traffic.h"
#include "model/flow_key.h"
#include "model/unattributed.h"
#include "util/hash_table.h"

enum flow_state {
        FLOW_NEW,     /* nobody was asked for its owner yet */
        FLOW_WAITING, /* asked, and to be asked again until wait_until_usec */
        FLOW_FOUND,   /* process was its owner at checked_usec, unless a SYN before that is yet to be read */
        FLOW_OWNED,   /* process is its owner */
        FLOW_UNOWNED, /* reason says why it has none; asked again when it moves */
};

/* One 5-tuple from its local end. Bytes gather in `pending` while packets are read and are settled, once a
 * drain, to a process or a reason. */
struct flow {
        struct flow_key key; /* key */
        enum flow_state state;
        enum unattributed reason;

        struct process *process;  /* FLOW_OWNED, FLOW_FOUND; with FLOW_WAITING the fallback: who listens, or NULL */
        uint32_t ifindex;         /* of the interface its last packet went over, */
        bool loopback;            /* and was that a loopback one? */
        uint64_t cookie, inode;   /* of the socket, with FLOW_OWNED and FLOW_FOUND */
        uint64_t wait_until_usec; /* CLOCK_MONOTONIC, with FLOW_WAITING */
        uint64_t gone_usec;       /* CLOCK_MONOTONIC: since when no socket has it, that is waited with; 0: not */
        uint64_t checked_usec;    /* CLOCK_MONOTONIC: when its owner was last asked for or confirmed */
        uint64_t in, out;         /* bytes since it began */
        uint64_t since_usec;      /* stamp of its first packet, CLOCK_REALTIME; 0: none yet */
        uint64_t used_tick;       /* the tick it last moved in, for eviction */

        struct traffic pending;
        struct flow *next_touched;  /* list of flows with something pending */
        struct flow *older, *newer; /* list of those without, in the order they were settled last */
        bool touched;
        bool opening;   /* its last packet was a SYN */
        bool began;     /* its first packet was one, at since_usec */
        bool connected; /* which went out: the connection was begun here */
};

/* All flows, bounded: where it is full, the one that has been still for longest gives way. What a packet
 * costs does not depend on how full it is. */
struct flow_table;

/* Returns 0, -EINVAL or -ENOMEM. */
int flow_table_new(uint32_t max_flows, struct flow_table **ret_table);
void flow_table_free(struct flow_table *table);
DEFINE_CLEANUP(struct flow_table *, flow_table_free)

/* The flow with that key; NULL: there is none. */
struct flow *flow_table_find(const struct flow_table *table, const struct flow_key *key);

/* The flow with that key, made where it is not there yet. Returns 0; -ENOSPC when all flows in the table
 * wait to be settled; -ENOMEM. */
int flow_table_get(struct flow_table *table, const struct flow_key *key, struct flow **ret_flow);

/* Puts the flow on the list of those to be settled, where it is not on it yet. */
void flow_table_touch(struct flow_table *table, struct flow *flow);

/* Takes the whole list: linked through next_touched, ended by NULL, each with `touched` false again. */
struct flow *flow_table_take_touched(struct flow_table *table);

/* Once a second: forgets flows that have not moved for idle_ticks calls and have nothing pending, and lets
 * go of processes that departed. */
void flow_table_sweep(struct flow_table *table, uint64_t idle_ticks);

struct flow *flow_table_next(const struct flow_table *table, uint32_t *cursor);
uint32_t flow_table_size(const struct flow_table *table);
