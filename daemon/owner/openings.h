/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "owner/owner_lookup.h"
#include "util/macros.h"

/* Who opened which TCP connection, or sent the first datagram of a UDP flow, looked up within moments and remembered for
 * a while: what is over before anybody asks has no socket by then.
 *
 * openings_find() may be called by any thread, the rest by one: it has a connection to the kernel, and what it knows of
 * processes, of its own. */
struct openings;

struct openings_config {
        const char *proc_root; /* outlives it */
        uint32_t max;          /* remembered, the newest */
        uint32_t max_sockets;  /* as in struct owner_config */
};

/* Returns 0, -EINVAL, -ENOMEM or another negative errno. */
int openings_new(const struct openings_config *config, struct openings **ret_openings);
void openings_free(struct openings *openings);
DEFINE_CLEANUP(struct openings *, openings_free)

/* A connection begins: its tuple as the end sees it that sent the SYN, or the one that answers it, over that interface;
 * syn_usec is the SYN's stamp. It takes the place of one of the same tuple. Or a UDP datagram was sent, which is one of
 * those that the flow began with where that is moments ago. now_usec: CLOCK_MONOTONIC, as below. What
 * there is no memory for is not remembered. */
void openings_add(struct openings *openings, const struct flow_key *key, uint32_t ifindex, uint64_t syn_usec,
                  uint64_t now_usec);

/* All SYNs that were sent until then (CLOCK_MONOTONIC) have been added. What was found a while before is certain from
 * then on: the socket that was found could have been of another connection, whose SYN was yet to be read. */
void openings_read_until(struct openings *openings, uint64_t usec);

/* Some have not been, and will not be: what is not certain yet never will be. */
void openings_missed(struct openings *openings);

/* Called for a process that is found to have opened a connection, while it is there to be looked at: what
 * /proc/PID/stat says. */
typedef void (*opener_handler)(const struct process_info *info, void *userdata);

/* Looks up to max of them up that are due: at first at once, then in growing intervals until somebody has the socket,
 * and a few times more to see that nobody else has come to hold it. Returns how many that were: max, or
 * max as well after much work, where there may be more. */
int openings_look(struct openings *openings, uint64_t now_usec, int max, opener_handler handler, void *userdata);

/* When the next one is due; UINT64_MAX: none is. */
uint64_t openings_due_usec(const struct openings *openings);

/* Who opened the connection that these packets are the beginning of: they begin with its SYN, and end within moments
 * of it. Holds for these packets, whatever became of the tuple since; with UDP, unless another socket has had the port
 * by now, which the caller has to find out. Returns true with *ret_owner, where exactly one process was seen with its
 * socket, and with UDP no other socket on that port. */
bool openings_find(struct openings *openings, const struct owner_question *question, struct owner *ret_owner);

/* Adds what was counted here to *stats. */
void openings_stats(struct openings *openings, struct owner_stats *stats);
