/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/split_traffic.h"
#include "model/process.h"
#include "util/hash_table.h"

/* A process in the books; or, where pid is 0, several exited ones of the same executable folded into one
 * row. */
struct process {
        struct process_id id; /* key */
        struct process_info info;
        struct split_traffic traffic;

        uint32_t processes;              /* folded row: how many; else 0 */
        uint32_t processes_not_loopback; /* how many of them had traffic that did not go over loopback */
        uint32_t n_inodes;
        uint64_t *inodes; /* socket inodes it holds, ascending; the last ones, for a process that exited. NULL
                           * although there are some: no room */

        uint64_t exited_usec;    /* CLOCK_REALTIME; 0: alive as far as we know */
        uint64_t refreshed_usec; /* CLOCK_MONOTONIC: when info and inodes were read */
        uint32_t same_reads;     /* how many reads in a row found them as they were */
        int pidfd;               /* tells of its exit; -1: none */
        bool announced;          /* a signal has told of its first traffic */
        bool exit_announced;     /* and one of its exit */
        bool departed;           /* out of the books at the end of this tick */
};

static inline bool process_exited(const struct process *process) {
        return process->info.state == PROCESS_EXITED;
}

/* All processes that had traffic. Alive, they stay; exited, until their bytes have left the longest window;
 * where that would be too many, the oldest exited ones fold into a row for each executable. */
struct process_table;

struct process_limits {
        uint32_t max_processes; /* rows in all */
        uint32_t max_exited;    /* rows of exited processes before the oldest fold */
        uint32_t max_folded;    /* folded rows; one more takes all that the others cannot */
        uint32_t max_inodes;    /* in the lists of all processes; where they do not fit, they are only counted */
};

/* Returns 0, -EINVAL or -ENOMEM. */
int process_table_new(const struct process_limits *limits, struct process_table **ret_table);
void process_table_free(struct process_table *table);
DEFINE_CLEANUP(struct process_table *, process_table_free)

struct process *process_table_find(const struct process_table *table, const struct process_id *id);

/* The newest process with that pid: a live one before any that exited. NULL: none. */
struct process *process_table_find_pid(const struct process_table *table, uint32_t pid);

/* A new row, with no name yet. Returns 0, -ENOSPC when the table is full, -ENOMEM. */
int process_table_add(struct process_table *table, const struct process_id *id,
                      struct process **ret_process);

/* Marks a process as exited; its totals and rings stay. */
void process_table_exit(struct process_table *table, struct process *process, uint64_t now_usec);

/* Takes the list of socket inodes of a process, which then belongs to the table. */
void process_table_set_inodes(struct process_table *table, struct process *process, uint64_t *inodes,
                              size_t n);

/* Walks all rows; as hash_table_next(). */
struct process *process_table_next(const struct process_table *table, uint32_t *cursor);
uint32_t process_table_size(const struct process_table *table);

/* Once a second: trims rings, folds what is too much, and marks rows `departed` whose time is over. Returns
 * how many departed: the caller lets go of its pointers to those, then calls process_table_sweep(), which
 * frees them. */
uint32_t process_table_expire(struct process_table *table, uint64_t now_usec);
void process_table_sweep(struct process_table *table);

/* Bytes of rows that have left the table: with those of the rows still there, all that was ever attributed.
 */
uint64_t process_table_departed_bytes(const struct process_table *table);
