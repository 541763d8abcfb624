/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "source/bpf/account.h"
#include "source/source.h"
#include "util/macros.h"

/* The programs in the kernel: loaded, attached to every socket of the machine, and gone with this process,
 * however it ends. */
struct bpf_programs;

/* Loads and attaches them; max_processes bounds the tables in the kernel: as many processes, and connections
 * that are being made; of connections that were closed just now a quarter.
 * max_sockets bounds the sockets that an owner is kept for; what others move is for no process. From then on everything is counted,
 * in the bank that *bpf_programs_boundary() says, which is 0 at first. Returns 0 or a negative errno with
 * *ret_error saying what was tried and what the kernel said. */
int bpf_programs_new(uint32_t max_processes, uint32_t max_sockets, struct bpf_programs **ret_programs,
                     struct source_error *ret_error);
void bpf_programs_free(struct bpf_programs *programs);
DEFINE_CLEANUP(struct bpf_programs *, bpf_programs_free)

/* How many cgroups are kept for so many processes. */
uint32_t bpf_programs_max_cgroups(uint32_t max_processes);

/* Maps: __u64 (a process, see account.h) → account_process; account_handshake_key → account_handshake; __u64 (a
 * cgroup) → account_cgroup. */
int bpf_programs_processes(const struct bpf_programs *programs);
int bpf_programs_handshakes(const struct bpf_programs *programs);
int bpf_programs_cgroups(const struct bpf_programs *programs);

/* Shared with the programs: when the bank changes, and what waits for an owner. To be read and written
 * atomically. */
uint64_t *bpf_programs_boundary(struct bpf_programs *programs);
struct account_gauge *bpf_programs_gauge(struct bpf_programs *programs);

/* Gives datagrams that have waited for a second to who made their socket, and counts the sockets that there are.
 * Returns 0 or a negative errno. */
int bpf_programs_settle_idle(struct bpf_programs *programs);

/* Is there no room for another socket, as far as they have been counted? */
bool bpf_programs_full(const struct bpf_programs *programs);
