/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "account/process_table.h"
#include "account/traffic.h"

enum rank_sort { RANK_BY_TOTAL, RANK_BY_IN, RANK_BY_OUT };

struct rank_row {
        const struct process *process;
        struct window window;
};

/* What comes first: the most bytes of that kind. As for qsort(3). */
int rank_compare_windows(const struct window *x, const struct window *y, enum rank_sort sort);

/* The same for rows: the most bytes in the window, then by pid and start time, so that the order is
 * always the same. As for qsort(3). */
int rank_compare(const struct rank_row *x, const struct rank_row *y, enum rank_sort sort);

/* The processes by their bytes over the last `recent` closed seconds at now_usec (CLOCK_REALTIME),
 * in the order of rank_compare(). limit 0: all. The caller frees *ret_rows, which point into the table and are good until it changes. Returns 0 or -ENOMEM. */
int rank_processes(const struct process_table *table, uint64_t now_usec, uint32_t recent, enum rank_sort sort,
                   uint32_t limit, struct rank_row **ret_rows, size_t *ret_n);
