/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "util/macros.h"

/* Cgroup paths by the inode number of the cgroup, as the programs in the kernel told them while it was there. */
struct bpf_cgroups;

/* map: __u64 → account_cgroup; max_cgroups: paths remembered. Returns 0 or a negative errno. */
int bpf_cgroups_new(int map, uint32_t max_cgroups, struct bpf_cgroups **ret_cgroups);
void bpf_cgroups_free(struct bpf_cgroups *cgroups);
DEFINE_CLEANUP(struct bpf_cgroups *, bpf_cgroups_free)

/* The path below the root of the hierarchy, good until the next call; NULL: not known, or the root itself. */
const char *bpf_cgroups_path(struct bpf_cgroups *cgroups, uint64_t id);

/* Makes room in the kernel. To be called now and then, at most once a second, after all processes have been
 * read: what has been there for a while has been asked for. */
void bpf_cgroups_expire(struct bpf_cgroups *cgroups);
