/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/process_table.h"
#include "account/traffic.h"

enum rank_sort { RANK_BY_TOTAL, RANK_BY_IN, RANK_BY_OUT };

/* What a rank is asked for. */
struct rank_query {
        uint64_t now_usec; /* its window are the seconds that have closed by then, CLOCK_REALTIME, */
        uint32_t recent;   /* the last so many of them */
        uint32_t limit;    /* rows; 0: all */
        enum rank_sort sort;
        bool without_loopback; /* as if nothing had gone over loopback */
};

struct rank_row {
        const struct process *process;
        const struct traffic *traffic; /* what of its traffic counts here */
        uint32_t processes;            /* folded row: how many, that had such traffic; else 0 */
        struct window window;
};

/* The row of a process; good as long as it is in the table. Returns false, with *ret_row untouched, where
 * nothing is left of it without loopback; with it each process has a row. */
bool rank_row_of(const struct process *process, const struct rank_query *query, struct rank_row *ret_row);

/* What comes first: the most bytes of that kind. As for qsort(3). */
int rank_compare_windows(const struct window *x, const struct window *y, enum rank_sort sort);

/* The same for rows: the most bytes in the window, then by pid and start time, so that the order is
 * always the same. As for qsort(3). */
int rank_compare(const struct rank_row *x, const struct rank_row *y, enum rank_sort sort);

/* The processes by their bytes in the window, in the order of rank_compare(). The caller frees *ret_rows,
 * which point into the table and are good until it changes. Returns 0 or -ENOMEM. */
int rank_processes(const struct process_table *table, const struct rank_query *query,
                   struct rank_row **ret_rows, size_t *ret_n);
