/* SPDX-License-Identifier: MIT */
#pragma once

/* Where a process is in the cgroup2 hierarchy, told while it is there. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "account.h"

/* By the inode number of the cgroup's directory, which no other one ever gets. What has been read goes. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(max_entries, 1024);
        __type(key, __u64);
        __type(value, struct account_cgroup);
} cgroups SEC(".maps");

static const struct account_cgroup no_cgroup;

/* Keeps the path of the cgroup that the task which runs now is in. Where there is no room it is not known. */
VERIFIED_ONCE int keep_cgroup(__u64 id) {
        struct cgroup *cgroup = bpf_get_current_task_btf()->cgroups->dfl_cgrp;
        struct account_cgroup *kept;
        __u32 length = 0;

        if (cgroup->kn->id != id || bpf_map_lookup_elem(&cgroups, &id))
                return 0;
        bpf_map_update_elem(&cgroups, &id, &no_cgroup, BPF_NOEXIST);
        kept = bpf_map_lookup_elem(&cgroups, &id);
        if (!kept)
                return 0;
        kept->since_nsec = bpf_ktime_get_ns();
        for (__u32 i = 0; i < ACCOUNT_CGROUP_DEPTH; i++) {
                struct cgroup_subsys_state *parent = BPF_CORE_READ(cgroup, self.parent);
                long n;

                if (!parent) {
                        WRITE_ONCE(kept->length, length);
                        return 0;
                }
                if (length >= ACCOUNT_CGROUP_NAMES)
                        break;
                n = bpf_probe_read_kernel_str(&kept->names[length], ACCOUNT_CGROUP_NAME,
                                              BPF_CORE_READ(cgroup, kn, name));
                if (n <= 0 || n > ACCOUNT_CGROUP_NAME)
                        break;
                length += n;
                cgroup = BPF_CORE_READ(parent, cgroup);
        }
        WRITE_ONCE(kept->length, ACCOUNT_CGROUP_NAMES);
        return 0;
}
