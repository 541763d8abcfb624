/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "owner/sock_diag.h"

/* Which sockets are bound to a port, for many ports at a time. For a list of the sockets on one port the kernel goes
 * through all of its table of datagram sockets, as it does for the list of all of them: where many ports are asked about
 * at one time, all of our own network namespace are listed once. */
struct bound_sockets;

/* Where there are more, each port is asked about for itself. */
#define BOUND_SOCKETS_MAX 4096u

/* proc_root: "/proc", or a test's; it outlives it. Returns 0 or -ENOMEM. */
int bound_sockets_new(const char *proc_root, struct bound_sockets **ret_bound);
void bound_sockets_free(struct bound_sockets *bound);
DEFINE_CLEANUP(struct bound_sockets *, bound_sockets_free)

/* As sock_diag_bound(), for a datagram protocol and any state; what was listed for the same now_usec is not listed again.
 * network says which namespace's diag is, by a number of the caller's; 0: our own. *lists goes up by how many times the kernel was
 * asked. Nothing is bound to port 0. */
int bound_sockets_find(struct bound_sockets *bound, struct sock_diag *diag, uint32_t network, uint8_t protocol, uint16_t port,
                       uint64_t now_usec, struct socket_info *ret_sockets, size_t max, uint64_t *lists);
