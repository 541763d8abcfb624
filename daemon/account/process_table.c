/* SPDX-License-Identifier: MIT */
#include "account/process_table.h"

#include <errno.h>
#include <string.h>

#include "util/clock.h"

#define OTHER_EXECUTABLES "(other)"

struct process_table {
        struct process_limits limits;
        struct hash_table *rows;
        uint32_t n_exited; /* rows of single exited processes */
        uint32_t n_folded;
        uint64_t n_inodes;      /* in the lists of all rows */
        uint64_t folded_serial; /* stands in for start_ticks in the key of folded rows */
        uint64_t departed_bytes;
};

int process_table_new(const struct process_limits *limits, struct process_table **ret_table) {
        _cleanup_(process_table_freep) struct process_table *table = calloc(1, sizeof(*table));
        int r;

        if (!table)
                return -ENOMEM;
        table->limits = *limits;
        r = hash_table_new(sizeof(struct process), sizeof(struct process_id),
                           limits->max_processes + limits->max_folded + 1, &table->rows);
        if (r < 0)
                return r;

        *ret_table = TAKE_PTR(table);
        return 0;
}

static void drop_inodes(struct process_table *table, struct process *process) {
        if (process->inodes)
                table->n_inodes -= process->n_inodes;
        free(TAKE_PTR(process->inodes));
        process->n_inodes = 0;
}

static void process_done(struct process_table *table, struct process *process) {
        process_info_done(&process->info);
        split_traffic_done(&process->traffic);
        drop_inodes(table, process);
        process->pidfd = safe_close(process->pidfd);
}

void process_table_free(struct process_table *table) {
        struct process *process;
        uint32_t cursor = 0;

        if (!table)
                return;
        while (table->rows && (process = hash_table_next(table->rows, &cursor)))
                process_done(table, process);
        hash_table_free(table->rows);
        free(table);
}

struct process *process_table_find(const struct process_table *table, const struct process_id *id) {
        return hash_table_find(table->rows, id);
}

struct process *process_table_find_pid(const struct process_table *table, uint32_t pid) {
        struct process *process, *newest = NULL;
        uint32_t cursor = 0;

        if (pid == 0)
                return NULL;
        while ((process = hash_table_next(table->rows, &cursor)))
                if (process->id.pid == pid && (!newest || process->id.start_ticks > newest->id.start_ticks))
                        newest = process;
        return newest;
}

static int add_row(struct process_table *table, const struct process_id *id, struct process **ret_process) {
        void *entry;
        int r;

        r = hash_table_add(table->rows, id, &entry);
        if (r < 0)
                return r;
        *ret_process = entry;
        (*ret_process)->info.id = *id;
        (*ret_process)->pidfd = -1;
        return 0;
}

int process_table_add(struct process_table *table, const struct process_id *id,
                      struct process **ret_process) {
        if (hash_table_size(table->rows) - table->n_folded >= table->limits.max_processes)
                return -ENOSPC;
        return add_row(table, id, ret_process);
}

void process_table_exit(struct process_table *table, struct process *process, uint64_t now_usec) {
        process->pidfd = safe_close(process->pidfd);
        if (process_exited(process))
                return;
        process->info.state = PROCESS_EXITED;
        process->exited_usec = now_usec;
        table->n_exited++;
}

void process_table_set_inodes(struct process_table *table, struct process *process, uint64_t *inodes,
                              size_t n) {
        drop_inodes(table, process);
        process->n_inodes = (uint32_t) n;
        if (n == 0 || table->n_inodes + n > table->limits.max_inodes) {
                free(inodes);
                return;
        }
        process->inodes = inodes;
        table->n_inodes += n;
}

struct process *process_table_next(const struct process_table *table, uint32_t *cursor) {
        return hash_table_next(table->rows, cursor);
}

uint32_t process_table_size(const struct process_table *table) {
        return hash_table_size(table->rows);
}

/* What exited processes are folded by: the executable, or the name where that is not known. */
static const char *executable(const struct process *process) {
        return process->info.exe ?: process->info.name;
}

static struct process *find_folded(struct process_table *table, const char *exe) {
        struct process *process;
        uint32_t cursor = 0;

        while ((process = hash_table_next(table->rows, &cursor)))
                if (process->processes > 0 && strcmp(executable(process), exe) == 0)
                        return process;
        return NULL;
}

static int add_folded(struct process_table *table, const char *exe, const char *name,
                      struct process **ret_process) {
        struct process_id id = {.start_ticks = ++table->folded_serial};
        _cleanup_free_ char *copy = NULL;
        struct process *process;
        int r;

        if (exe) {
                copy = strdup(exe);
                if (!copy)
                        return -ENOMEM;
        }
        r = add_row(table, &id, &process);
        if (r < 0)
                return r;
        process->info.exe = TAKE_PTR(copy);
        memcpy(process->info.name, name, strnlen(name, PROCESS_NAME_MAX - 1));
        process->info.state = PROCESS_EXITED;
        process->announced = true;
        table->n_folded++;

        *ret_process = process;
        return 0;
}

static int folded_row_for(struct process_table *table, const struct process *process,
                          struct process **ret_row) {
        struct process *row = find_folded(table, executable(process));
        int r = 0;

        if (!row && table->n_folded < table->limits.max_folded)
                r = add_folded(table, process->info.exe, process->info.name, &row);
        else if (!row) {
                row = find_folded(table, OTHER_EXECUTABLES);
                if (!row)
                        r = add_folded(table, NULL, OTHER_EXECUTABLES, &row);
        }
        if (r < 0)
                return r;
        *ret_row = row;
        return 0;
}

static void depart(struct process_table *table, struct process *process) {
        process->departed = true;
        if (process->processes > 0)
                table->n_folded--;
        else
                table->n_exited--;
}

static int by_exit_time(const void *a, const void *b) {
        const struct process *x = *(struct process *const *) a, *y = *(struct process *const *) b;

        if (x->exited_usec != y->exited_usec)
                return x->exited_usec < y->exited_usec ? -1 : 1;
        return x->id.pid < y->id.pid ? -1 : x->id.pid > y->id.pid;
}

/* Folds the oldest exited processes until an eighth of their room is free again, so that this is not done
 * anew for every one that follows. */
static uint32_t fold_oldest(struct process_table *table) {
        _cleanup_free_ struct process **exited = NULL;
        struct process *process;
        uint32_t cursor = 0, n = 0, folded = 0, excess;

        if (table->n_exited <= table->limits.max_exited)
                return 0;
        exited = malloc(table->n_exited * sizeof(struct process *));
        if (!exited)
                return 0;
        while ((process = hash_table_next(table->rows, &cursor)))
                if (process_exited(process) && process->processes == 0 && !process->departed)
                        exited[n++] = process;
        qsort(exited, n, sizeof(struct process *), by_exit_time);

        excess = n - (table->limits.max_exited - table->limits.max_exited / 8);
        for (uint32_t i = 0; i < excess; i++) {
                struct process *row;

                if (folded_row_for(table, exited[i], &row) < 0)
                        break;
                /* the totals count in any case */
                (void) split_traffic_fold(&row->traffic, &exited[i]->traffic);
                row->processes++;
                row->processes_not_loopback +=
                        traffic_bytes(split_traffic_part(&exited[i]->traffic, true)) > 0;
                split_traffic_done(&exited[i]->traffic);
                depart(table, exited[i]);
                folded++;
        }
        return folded;
}

uint32_t process_table_expire(struct process_table *table, uint64_t now_usec) {
        uint64_t now = now_usec / USEC_PER_SEC;
        uint64_t first = now > RING_SECONDS ? now - RING_SECONDS : 0;
        struct process *process;
        uint32_t cursor = 0, departed = 0;

        while ((process = hash_table_next(table->rows, &cursor))) {
                split_traffic_trim(&process->traffic, first, now + 2);
                if (process_exited(process) && !process->departed && process->traffic.all.ring.n == 0) {
                        depart(table, process);
                        departed++;
                }
        }
        return departed + fold_oldest(table);
}

void process_table_sweep(struct process_table *table) {
        struct process *process;
        uint32_t cursor = 0;

        while ((process = hash_table_next(table->rows, &cursor)))
                if (process->departed) {
                        table->departed_bytes += traffic_bytes(&process->traffic.all);
                        process_done(table, process);
                        hash_table_remove(table->rows, process);
                }
}

uint64_t process_table_departed_bytes(const struct process_table *table) {
        return table->departed_bytes;
}
