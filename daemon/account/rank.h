/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "account/process_table.h"
#include "account/traffic.h"

struct rank_row {
        const struct process *process;
        struct window window;
};

/* The processes by bytes in and out over the last `recent` closed seconds at now_usec (CLOCK_REALTIME),
 * largest first; ties by pid, then start time, so that the order is always the same. limit 0: all. The
 * caller frees *ret_rows, which point into the table and are good until it changes. Returns 0 or -ENOMEM. */
int rank_processes(const struct process_table *table, uint64_t now_usec, uint32_t recent, uint32_t limit,
                   struct rank_row **ret_rows, size_t *ret_n);
