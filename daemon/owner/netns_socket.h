/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* Opens netlink(7) sockets, one for each of these protocols (NETLINK_*), in the network namespace behind a
 * descriptor of /proc/PID/ns/net: what they tell is of that one, whoever reads them. Done by a thread that
 * ends with it, so that none that goes on is ever elsewhere. The sockets do not block, are not bound, and
 * keep the namespace alive until the caller closes them. Returns 0, -EPERM without CAP_SYS_ADMIN or where a
 * filter on system calls forbids it, or another negative errno. */
int netns_sockets(int netns, const int *protocols, size_t n, int *ret_fds);

/* Can that be done at all? Returns 0 or a negative errno as above. */
int netns_check(void);
