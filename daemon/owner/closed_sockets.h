/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "owner/sock_diag.h"
#include "util/macros.h"

/* Which UDP ports lost a socket, and when. The kernel is asked for a flow's socket now, and its packets are
 * from a moment ago: on a port that was closed in between, they may be the last one's. */
struct closed_sockets;

/* Listens to the kernel's sock_diag(7) broadcasts, in the network namespace of the caller, or with
 * `everywhere` in all that have an id there as well: which one a socket was in is not told apart. That takes
 * CAP_NET_BROADCAST. Returns 0 or a negative errno. */
int closed_sockets_new(bool everywhere, struct closed_sockets **ret_closed);
void closed_sockets_free(struct closed_sockets *closed);
DEFINE_CLEANUP(struct closed_sockets *, closed_sockets_free)

/* Reads what was closed since the last call, which counts as closed at now_usec (CLOCK_MONOTONIC). Returns 0,
 * or -ENOBUFS when some of it was lost: every port may have been closed then. After another negative errno,
 * too. */
int closed_sockets_update(struct closed_sockets *closed, uint64_t now_usec);

/* Was a UDP socket on this local port, other than the one with this cookie, closed at since_usec
 * (CLOCK_MONOTONIC) or later? Also true where that is not known. */
bool closed_sockets_since(const struct closed_sockets *closed, uint16_t port, uint64_t cookie,
                          uint64_t since_usec);
