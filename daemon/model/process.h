/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/macros.h"

/* A process is one thread group, known by both: pids recycle. Compared and hashed as bytes. */
struct process_id {
        uint64_t start_ticks; /* since boot, in USER_HZ (1/100 s): field 22 of /proc/PID/stat, proc(5) */
        uint32_t pid;
        uint32_t padding;
};
_Static_assert(sizeof(struct process_id) == 16, "process ids are hashed as bytes: no hidden padding");

static inline bool process_id_equal(const struct process_id *a, const struct process_id *b) {
        return a->pid == b->pid && a->start_ticks == b->start_ticks;
}

#define PROCESS_NAME_MAX 16  /* TASK_COMM_LEN, with its NUL */
#define PROCESS_EXITED   'x' /* process_info.state: gone; proc(5)'s letters otherwise */

/* What /proc says about a process. Strings are NULL where that is not known. */
struct process_info {
        struct process_id id;
        char name[PROCESS_NAME_MAX]; /* comm of the thread group leader */
        char state;                  /* letter of proc(5), or PROCESS_EXITED; 0: unknown */
        bool uid_known;
        uid_t uid;                /* effective */
        uint64_t start_time_usec; /* CLOCK_REALTIME, to 10 ms; 0: unknown */
        char *exe;                /* what /proc/PID/exe links to */
        char *cgroup;             /* path below the cgroup root */
        char *unit;               /* innermost systemd unit of that path */
};

/* Frees the strings and leaves NULL in their place. */
static inline void process_info_done(struct process_info *info) {
        free(info->exe);
        free(info->cgroup);
        free(info->unit);
        info->exe = info->cgroup = info->unit = NULL;
}
