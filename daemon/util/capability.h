/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* Is this capability (CAP_* of linux/capability.h) in the effective set of the calling thread? false also
 * when that cannot be told. */
bool have_capability(unsigned capability);

/* Of those that counting in the kernel needs, the first that is missing: "CAP_BPF", "CAP_PERFMON" (programs that
 * read kernel memory) or "CAP_NET_ADMIN" (programs at sockets and cgroups); NULL: all are there. */
const char *missing_bpf_capability(void);
