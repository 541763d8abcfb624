/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "model/owner.h"
#include "model/process.h"
#include "owner/owner_lookup.h"
#include "util/macros.h"

/* Which process holds a socket, by its inode, through /proc/PID/fd. New sockets are looked for in likely
 * processes first: those that are new, and those that held the sockets asked for of late. All of /proc is
 * walked only where that does not help, and every few seconds to see which sockets have come to be shared.
 */
struct socket_holders;

/* As in struct owner_config. Returns 0, -EINVAL or -ENOMEM. */
int socket_holders_new(const struct owner_config *config, struct socket_holders **ret_holders);
void socket_holders_free(struct socket_holders *holders);
DEFINE_CLEANUP(struct socket_holders *, socket_holders_free)

/* Who holds the socket with this inode? One of OWNER_FOUND with *ret_process, OWNER_SHARED,
 * OWNER_NO_PROCESS, and OWNER_BUSY when that takes a walk that is not due yet. now_usec: CLOCK_MONOTONIC;
 * likely processes are read once for each value of it. */
enum owner_status socket_holders_find(struct socket_holders *holders, uint64_t inode, uint64_t now_usec,
                                      struct process_id *ret_process);

/* The same for a socket that has only just been made, at a fraction of the cost: only the youngest processes, those of
 * late and a few others in turn are looked at. OWNER_NO_PROCESS: none of these has it, perhaps not yet, or it is over already.
 * *ret_info: what /proc/PID/stat says of it; no strings are in it. */
enum young_search {
        SEARCH_LIKELY,         /* only where it costs little: who has just started, what is known already, and what those of late
                                * wait for */
        SEARCH_LIKELY_SERVERS, /* not who has just started: it was accepted just now */
        SEARCH_SERVERS,        /* all sockets of those of late besides */
        SEARCH_ALL,
};
enum owner_status socket_holders_find_young(struct socket_holders *holders, uint64_t inode, enum young_search search,
                                            uint64_t now_usec, struct process_info *ret_info);

/* Walks over all of /proc for those that hold one of these sockets, which from then on are among those of late: whoever
 * holds a listening socket takes its connections. Does nothing where that was done so recently that it would take more
 * than its share of time. Returns whether it was done. */
bool socket_holders_meet(struct socket_holders *holders, const uint64_t *inodes, size_t n, uint64_t now_usec);

/* Does this process hold it still, as far as its descriptor and the last walk tell, and nobody else? */
bool socket_holders_confirm(struct socket_holders *holders, uint64_t inode, const struct process_id *process,
                            uint64_t now_usec);

/* Adds what was counted here to *stats. */
void socket_holders_stats(const struct socket_holders *holders, struct owner_stats *stats);
