/* SPDX-License-Identifier: MIT */
#include "account/rank.h"

#include <errno.h>

static int compare_ids(const struct process_id *x, const struct process_id *y) {
        if (x->pid != y->pid)
                return x->pid < y->pid ? -1 : 1;
        return x->start_ticks < y->start_ticks ? -1 : x->start_ticks > y->start_ticks;
}

static uint64_t bytes_of(const struct window *window, enum rank_sort sort) {
        switch (sort) {
        case RANK_BY_TOTAL:
                return window->in + window->out;
        case RANK_BY_IN:
                return window->in;
        case RANK_BY_OUT:
                return window->out;
        }
        return 0;
}

int rank_compare_windows(const struct window *x, const struct window *y, enum rank_sort sort) {
        uint64_t x_bytes = bytes_of(x, sort), y_bytes = bytes_of(y, sort);

        return x_bytes > y_bytes ? -1 : x_bytes < y_bytes;
}

int rank_compare(const struct rank_row *x, const struct rank_row *y, enum rank_sort sort) {
        int c = rank_compare_windows(&x->window, &y->window, sort);

        return c != 0 ? c : compare_ids(&x->process->id, &y->process->id);
}

static int compare_rows(const void *a, const void *b, void *userdata) {
        const enum rank_sort *sort = userdata;

        return rank_compare(a, b, *sort);
}

bool rank_row_of(const struct process *process, const struct rank_query *query, struct rank_row *ret_row) {
        const struct traffic *traffic = split_traffic_part(&process->traffic, query->without_loopback);

        if (query->without_loopback &&
            (traffic_bytes(traffic) == 0 || (process_exited(process) && traffic->ring.n == 0)))
                return false;
        *ret_row = (struct rank_row){
                .process = process,
                .traffic = traffic,
                .processes = query->without_loopback ? process->processes_not_loopback : process->processes,
        };
        traffic_window(traffic, query->now_usec, query->recent, &ret_row->window);
        return true;
}

int rank_processes(const struct process_table *table, const struct rank_query *query,
                   struct rank_row **ret_rows, size_t *ret_n) {
        enum rank_sort sort = query->sort;
        uint32_t cursor = 0;
        struct process *process;
        struct rank_row *rows;
        size_t n = 0;

        rows = malloc(MAX(process_table_size(table), 1u) * sizeof(*rows));
        if (!rows)
                return -ENOMEM;
        while ((process = process_table_next(table, &cursor)))
                n += rank_row_of(process, query, &rows[n]);
        qsort_r(rows, n, sizeof(*rows), compare_rows, &sort);

        *ret_rows = rows;
        *ret_n = query->limit > 0 ? MIN(n, (size_t) query->limit) : n;
        return 0;
}
