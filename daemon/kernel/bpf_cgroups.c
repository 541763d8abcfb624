/* SPDX-License-Identifier: MIT */
#include "kernel/bpf_cgroups.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>

#include "kernel/bpf_cgroup_path.h"
#include "util/clock.h"
#include "util/hash_table.h"

/* kernfs numbers its nodes from 1 on; on a machine with cgroup v1, too, a process may be there and elsewhere in
 * the hierarchy that systemd uses. */
#define ROOT_CGROUP 1u

/* Some reads of all processes after it was told, every one that needs it has been seen. */
#define KEEP_NSEC (5 * NSEC_PER_SEC)

struct known {
        uint64_t id; /* key */
        char *path;  /* NULL: the kernel's table has nothing of it */
};

struct bpf_cgroups {
        int map;
        struct hash_table *known;
};

static void forget(struct bpf_cgroups *cgroups, bool all) {
        struct known *known;
        uint32_t cursor = 0;

        while ((known = hash_table_next(cgroups->known, &cursor)))
                if (all || !known->path) {
                        free(known->path);
                        hash_table_remove(cgroups->known, known);
                }
}

int bpf_cgroups_new(int map, uint32_t max_cgroups, struct bpf_cgroups **ret_cgroups) {
        _cleanup_(bpf_cgroups_freep) struct bpf_cgroups *cgroups = calloc(1, sizeof(*cgroups));
        int r;

        if (!cgroups)
                return -ENOMEM;
        cgroups->map = map;
        r = hash_table_new(sizeof(struct known), sizeof(uint64_t), max_cgroups, &cgroups->known);
        if (r < 0)
                return r;
        *ret_cgroups = TAKE_PTR(cgroups);
        return 0;
}

void bpf_cgroups_free(struct bpf_cgroups *cgroups) {
        if (!cgroups)
                return;
        if (cgroups->known)
                forget(cgroups, true);
        hash_table_free(cgroups->known);
        free(cgroups);
}

const char *bpf_cgroups_path(struct bpf_cgroups *cgroups, uint64_t id) {
        struct known *known;
        struct account_cgroup told;
        char *path = NULL;
        void *entry;

        if (id <= ROOT_CGROUP)
                return NULL;
        known = hash_table_find(cgroups->known, &id);
        if (known)
                return known->path;
        if (bpf_map_lookup_elem(cgroups->map, &id, &told) == 0 && bpf_cgroup_path(&told, &path) == -EAGAIN)
                return NULL; /* being written right now */
        if (hash_table_size(cgroups->known) == hash_table_capacity(cgroups->known))
                forget(cgroups, true);
        if (hash_table_add(cgroups->known, &id, &entry) < 0) {
                free(path);
                return NULL;
        }
        known = entry;
        known->path = path;
        return path;
}

void bpf_cgroups_expire(struct bpf_cgroups *cgroups) {
        uint64_t now_nsec = clock_usec(CLOCK_MONOTONIC) * NSEC_PER_USEC;
        bool more;
        __u64 key, next;

        forget(cgroups, false); /* there may be room for it now */
        more = bpf_map_get_next_key(cgroups->map, NULL, &key) == 0;
        while (more) {
                struct account_cgroup told;

                more = bpf_map_get_next_key(cgroups->map, &key, &next) == 0;
                if (bpf_map_lookup_elem(cgroups->map, &key, &told) == 0 && told.length != 0 &&
                    now_nsec > told.since_nsec + KEEP_NSEC)
                        (void) bpf_map_delete_elem(cgroups->map, &key);
                key = next;
        }
}
