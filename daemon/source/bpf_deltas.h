/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "model/sample.h"
#include "source/bpf/account.h"
#include "util/macros.h"

/* Turns the running totals of the programs in the kernel into samples: what came since the last read. */
struct bpf_deltas;

/* max_entries: keys that there may be at a time. Returns 0 or a negative errno. */
int bpf_deltas_new(uint32_t max_entries, struct bpf_deltas **ret_deltas);
void bpf_deltas_free(struct bpf_deltas *deltas);
DEFINE_CLEANUP(struct bpf_deltas *, bpf_deltas_free)

/* What has come of it all. */
struct bpf_sums {
        uint64_t bytes, packets;
};

/* Hands what is new of one entry to handler, a sample for each of its cells that moved, stamped with
 * time_usec[bank], and adds it to *sums. cgroup: the path of now->cgroup_id; NULL: not known. Returns 1 when the entry may go: its process has exited, or it has
 * been silent for long; 0; or -ENOMEM: nothing was taken, and comes with the next one. */
int bpf_deltas_take(struct bpf_deltas *deltas, uint64_t key, const struct account_process *now,
                    const char *cgroup, const uint64_t time_usec[2], sample_handler handler, void *userdata,
                    struct bpf_sums *sums);

/* The entry is gone from the kernel's table: when its key comes again it begins at nothing. */
void bpf_deltas_forget(struct bpf_deltas *deltas, uint64_t key);

/* Hands on what a connection that was never established leaves to who listened. */
void bpf_deltas_handshake(const struct account_handshake *handshake, uint64_t time_usec,
                          sample_handler handler, void *userdata, struct bpf_sums *sums);
