/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "owner/cgroup_path.h"
#include "owner/process_reader.h"
#include "util/clock.h"
#include "util/utf8.h"

/* Rows read anew per tick: at about 100 µs each (a few files and the descriptors), at most 6 ms a second. */
#define REFRESHES_PER_TICK 64u

/* What never changes is read anew this seldom, or with each interval that is longer. */
#define REFRESH_MAX_USEC  (8 * USEC_PER_SEC)
#define REFRESH_SHIFT_MAX 10u /* so many times twice an interval is longer, from 10 ms to a minute */

/* What a start time may be off by without being another: a clock is set for more than that. */
#define START_TIME_KEPT_USEC (500 * USEC_PER_MSEC)

/* Processes without a pidfd (there were no descriptors left) that are looked at per tick. */
#define CHECKS_PER_TICK 64u

static const char *proc_root(const struct engine *engine) {
        return engine->config.proc_root;
}

static void mark_exited(struct engine *engine, struct process *process) {
        if (process->pidfd >= 0)
                process_watch_remove(engine->watch, process->pidfd);
        process_table_exit(engine->books->processes, process, clock_usec(CLOCK_REALTIME));
}

/* Does the pid still stand for this process? */
static bool same_process(struct engine *engine, const struct process *process) {
        struct process_info info = {};

        return process_read_stat(proc_root(engine), process->id.pid, &info) >= 0 &&
               info.id.start_ticks == process->id.start_ticks && info.state != 'Z' && info.state != 'X';
}

int engine_identify(const struct engine *engine, uint32_t pid, struct process_id *ret_id) {
        struct process_info info = {};
        int r;

        r = process_read_stat(proc_root(engine), pid, &info);
        if (r < 0)
                return -ESRCH;
        *ret_id = info.id;
        process_info_done(&info);
        return 0;
}

static void make_valid(struct process_info *info) {
        char *const texts[] = {info->name, info->exe, info->cgroup, info->unit};

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (texts[i])
                        utf8_make_valid(texts[i]);
}

/* Returns whether they are as they were. */
static bool read_inodes(struct engine *engine, struct process *process) {
        uint64_t *inodes;
        bool same;
        size_t n;

        if (process_read_socket_inodes(proc_root(engine), process->id.pid, &inodes, &n) < 0)
                return true;
        same = n == process->n_inodes &&
               (n == 0 || (process->inodes && memcmp(inodes, process->inodes, n * sizeof(*inodes)) == 0));
        process_table_set_inodes(engine->books->processes, process, inodes, n);
        return same;
}

static bool same_text(const char *a, const char *b) {
        return a && b ? strcmp(a, b) == 0 : a == b;
}

/* But for the state, which changes all the time. */
static bool same_info(const struct process_info *a, const struct process_info *b) {
        return strcmp(a->name, b->name) == 0 && a->uid_known == b->uid_known && a->uid == b->uid &&
               same_text(a->exe, b->exe) && same_text(a->cgroup, b->cgroup);
}

/* It is told from two clocks, which are read a moment apart and slewed: who knows a process by its pid and start has the
 * same each time, unless the clock was set. */
static void keep_start_time(const struct process_info *before, struct process_info *info) {
        uint64_t earlier = MIN(before->start_time_usec, info->start_time_usec),
                 later = MAX(before->start_time_usec, info->start_time_usec);

        if (later - earlier < START_TIME_KEPT_USEC)
                info->start_time_usec = before->start_time_usec;
}

void engine_refresh(struct engine *engine, struct process *process) {
        struct process_info info = {};
        bool same;

        if (process_exited(process) || !engine->watch)
                return;
        process->refreshed_usec = clock_usec(CLOCK_MONOTONIC);
        if (process_read(proc_root(engine), process->id.pid, &info) < 0)
                return; /* its pidfd will tell */
        if (info.id.start_ticks != process->id.start_ticks) {
                process_info_done(&info);
                mark_exited(engine, process);
                return;
        }
        make_valid(&info);
        keep_start_time(&process->info, &info);
        same = same_info(&process->info, &info);
        process_info_done(&process->info);
        process->info = info;
        same &= read_inodes(engine, process);
        process->same_reads = same ? process->same_reads + 1 : 0;
}

/* The name is as new as /proc's, as it follows exec(2); the rest is for what was over before it was read. */
static void take_known(struct process *process, const struct sample_owner *known) {
        struct process_info *info = &process->info;

        if (known->name[0] != '\0') {
                memcpy(info->name, known->name, sizeof(info->name));
                info->name[sizeof(info->name) - 1] = '\0';
                utf8_make_valid(info->name);
        }
        if (!info->uid_known && known->uid_known) {
                info->uid_known = true;
                info->uid = known->uid;
        }
        if (!info->cgroup && known->cgroup && (info->cgroup = strdup(known->cgroup))) {
                utf8_make_valid(info->cgroup);
                (void) unit_from_cgroup(info->cgroup, &info->unit);
        }
        if (info->start_time_usec == 0)
                info->start_time_usec = process_start_time_usec(&process->id);
}

/* One that is gone already, and was looked at while it was there. */
static void recall(struct engine *engine, struct process *process) {
        struct process_info info;

        if (process->info.name[0] != '\0' || !engine->early ||
            early_look_take_info(engine->early, &process->id, &info) < 0)
                return;
        make_valid(&info);
        info.state = process->info.state;
        process_info_done(&process->info);
        process->info = info;
}

/* Not where it is known to be gone: its number may be another process's by now. */
static void watch(struct engine *engine, struct process *process) {
        if (process_exited(process))
                return;
        (void) process_watch_add(engine->watch, process->id.pid, process, &process->pidfd);
        if (!same_process(engine, process)) /* checked after the pidfd is there: see process_watch.h */
                mark_exited(engine, process);
}

int engine_process(struct engine *engine, const struct process_id *id, const struct sample_owner *known,
                   struct process **ret_process) {
        struct process *process = process_table_find(engine->books->processes, id);
        int r;

        if (!process) {
                r = process_table_add(engine->books->processes, id, &process);
                if (r < 0)
                        return r;
                engine_refresh(engine, process);
                recall(engine, process);
                watch(engine, process);
        }
        if (known)
                take_known(process, known);
        *ret_process = process;
        return 0;
}

int engine_process_then(struct engine *engine, const struct owner *owner, struct process **ret_process) {
        const struct socket_user *user = &owner->user;
        struct sample_owner known = {
                .id = user->id, .uid_known = user->name[0] != '\0', .uid = user->uid, .cgroup = owner->cgroup};
        struct process *process;
        int r;

        r = engine_process(engine, &user->id, NULL, &process);
        if (r < 0)
                return r;
        if (process->info.name[0] == '\0') /* else /proc's is newer */
                memcpy(known.name, user->name, sizeof(known.name));
        take_known(process, &known);
        *ret_process = process;
        return 0;
}

void engine_mark_exits(struct engine *engine) {
        void *exited[64];
        int n;

        if (!engine->watch)
                return;
        while ((n = process_watch_exited(engine->watch, exited, ELEMENTSOF(exited))) > 0)
                for (int i = 0; i < n; i++)
                        mark_exited(engine, exited[i]);

        for (uint32_t checks = 0; checks < CHECKS_PER_TICK; checks++) {
                struct process *process =
                        process_table_next(engine->books->processes, &engine->check_cursor);

                if (!process) {
                        engine->check_cursor = 0;
                        return;
                }
                if (process->pidfd < 0 && !process_exited(process) && !same_process(engine, process))
                        mark_exited(engine, process);
        }
}

/* Twice as long after each read that told nothing new. */
static uint64_t refresh_interval_usec(const struct engine *engine, const struct process *process) {
        uint64_t shortest = engine->config.sync_interval_usec, longest = MAX(shortest, REFRESH_MAX_USEC);
        uint32_t shift = MIN(process->same_reads, REFRESH_SHIFT_MAX);

        return MIN(shortest << shift, longest);
}

/* Those that have not been read within their interval and moved since they were read: what does not move has
 * no new sockets that matter here. */
void engine_refresh_processes(struct engine *engine) {
        uint64_t now = clock_usec(CLOCK_MONOTONIC), offset = clock_real_offset_usec();
        uint32_t cursor = 0, refreshed = 0;
        struct process *process;

        if (engine->questions_max < QUESTIONS_MAX) /* short of processor time */
                return;
        while (refreshed < REFRESHES_PER_TICK &&
               (process = process_table_next(engine->books->processes, &cursor)))
                if (!process_exited(process) &&
                    now - process->refreshed_usec >= refresh_interval_usec(engine, process) &&
                    process->traffic.all.last_usec > process->refreshed_usec + offset) {
                        engine_refresh(engine, process);
                        refreshed++;
                }
}
