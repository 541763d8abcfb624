/* SPDX-License-Identifier: MIT */
#include "account/rank.h"

#include <errno.h>

static int compare_ids(const struct process_id *x, const struct process_id *y) {
        if (x->pid != y->pid)
                return x->pid < y->pid ? -1 : 1;
        return x->start_ticks < y->start_ticks ? -1 : x->start_ticks > y->start_ticks;
}

static int compare_rows(const void *a, const void *b) {
        const struct rank_row *x = a, *y = b;
        uint64_t x_bytes = x->window.in + x->window.out, y_bytes = y->window.in + y->window.out;

        if (x_bytes != y_bytes)
                return x_bytes > y_bytes ? -1 : 1;
        return compare_ids(&x->process->id, &y->process->id);
}

int rank_processes(const struct process_table *table, uint64_t now_usec, uint32_t recent, uint32_t limit,
                   struct rank_row **ret_rows, size_t *ret_n) {
        uint32_t cursor = 0;
        struct process *process;
        struct rank_row *rows;
        size_t n = 0;

        rows = malloc(MAX(process_table_size(table), 1u) * sizeof(*rows));
        if (!rows)
                return -ENOMEM;
        while ((process = process_table_next(table, &cursor))) {
                rows[n].process = process;
                traffic_window(&process->traffic, now_usec, recent, &rows[n++].window);
        }
        qsort(rows, n, sizeof(*rows), compare_rows);

        *ret_rows = rows;
        *ret_n = limit > 0 ? MIN(n, (size_t) limit) : n;
        return 0;
}
