/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "owner/process_reader.h"
#include "owner/socket_holders_internal.h"

/* One walk in so long is made while anything is asked, for sockets that were handed on. */
#define MAINTENANCE_USEC (5 * USEC_PER_SEC)

#define MAX_PIDS 4194304u /* PID_MAX_LIMIT, include/linux/threads.h */

int socket_holders_new(const struct owner_config *config, struct socket_holders **ret_holders) {
        _cleanup_(socket_holders_freep) struct socket_holders *holders = calloc(1, sizeof(*holders));
        int r;

        if (!holders)
                return -ENOMEM;
        holders->config = *config;
        holders->last_pid_fd = -1;
        r = hash_table_new(sizeof(struct holder), sizeof(uint64_t), config->max_sockets, &holders->by_inode);
        if (r < 0)
                return r;
        r = hash_table_new(sizeof(struct known_pid), sizeof(uint32_t), MAX_PIDS, &holders->pids);
        if (r < 0)
                return r;

        *ret_holders = TAKE_PTR(holders);
        return 0;
}

void socket_holders_free(struct socket_holders *holders) {
        if (!holders)
                return;
        holders_free_recent(holders);
        safe_close(holders->last_pid_fd);
        hash_table_free(holders->by_inode);
        hash_table_free(holders->pids);
        free(holders);
}

bool holders_hold(struct socket_holders *holders, uint32_t pid, uint32_t fd, uint64_t inode) {
        const struct recent_holder *recent = holders_find_recent(holders, pid);
        uint64_t there;

        if (recent && recent->is_held && proc_socket_in(recent->directory, fd, &there) >= 0)
                return there == inode;
        if (proc_socket_at(holders->config.proc_root, pid, fd, &there) < 0 || there != inode)
                return false;
        if (recent && recent->is_held) /* it is another's number now */
                holders_forget_recent(holders, pid);
        return true;
}

/* A second holder was seen beside the one that is known. */
static void meet_other_holder(struct socket_holders *holders, struct holder *holder, uint32_t pid,
                              uint32_t fd) {
        if (holder->pid != PID_INIT && pid != PID_INIT &&
            holders_hold(holders, holder->pid, holder->fd, holder->inode)) {
                holder->shared = true;
                if (holder->inode == holders->wanted) /* it may be the one that is left */
                        (void) holders_remember_recent(holders, pid, fd);
                return;
        }
        if (pid == PID_INIT && holders_hold(holders, holder->pid, holder->fd, holder->inode))
                return;
        holder->pid = pid;
        holder->fd = fd;
        holder->proven = holder->own = false;
        holder->since = 0;
}

/* A new entry. Most sockets there are have nothing to do with the network, and nothing in /proc/PID/fd tells
 * them apart: where they fill the table, one of them gives way to the socket that is wanted. */
struct holder *holders_add(struct socket_holders *holders, uint64_t inode) {
        uint32_t cursor = 0;
        void *entry;
        int r;

        r = hash_table_add(holders->by_inode, &inode, &entry);
        if (r == -ENOSPC && inode == holders->wanted) {
                hash_table_remove(holders->by_inode, hash_table_next(holders->by_inode, &cursor));
                holders_forget_whole(holders);
                holders->lacks_room = true; /* it may be one of who is being read */
                r = hash_table_add(holders->by_inode, &inode, &entry);
        }
        return r < 0 ? NULL : entry;
}

/* While the descriptors of one process are read: remember each socket and who holds it. */
int holders_on_socket(uint32_t fd, uint64_t inode, void *userdata) {
        struct socket_holders *holders = userdata;
        struct holder *holder = hash_table_find(holders->by_inode, &inode);

        if (!holder) {
                holders->n_unseen++;
                holder = holders_add(holders, inode);
                if (!holder) {
                        holders->lacks_room = true;
                        return 0; /* full: looked for again when it is wanted */
                }
                holder->pid = holders->reading;
                holder->fd = fd;
                holder->own = holders->was_whole;
                holder->since = holders->was_settled;
        } else if (holder->pid == holders->reading)
                holder->fd = fd;
        else
                meet_other_holder(holders, holder, holders->reading, fd);
        holder->walk = holders->walk;
        return 0;
}

void holders_begin_reading(struct socket_holders *holders, uint32_t pid, const struct recent_holder *recent) {
        holders->reading = pid;
        holders->was_whole = recent && recent->whole;
        holders->was_settled = holders_settled(holders, recent);
}

/* Returns as proc_for_each_socket(). */
int holders_read(struct socket_holders *holders, uint32_t pid, const struct recent_holder *recent, socket_handler handler) {
        int r;

        holders_begin_reading(holders, pid, recent);
        holders->n_sockets = holders->n_unseen = 0;
        r = proc_for_each_socket(holders->config.proc_root, pid, handler, holders, &holders->stats.proc_races);
        if (r == -ESRCH)
                holders->stats.proc_races++;
        return r;
}

static void read_process(struct socket_holders *holders, uint32_t pid) {
        (void) holders_read(holders, pid, NULL, holders_on_socket);
}

/* Returns whether the process was known, which it is from now on. */
bool holders_note_pid(struct socket_holders *holders, uint32_t pid) {
        struct known_pid *known = hash_table_find(holders->pids, &pid);
        bool was_known = known != NULL;
        void *entry;

        if (!known) {
                if (hash_table_add(holders->pids, &pid, &entry) < 0)
                        return false;
                known = entry;
        }
        known->seen = holders->listing;
        return was_known;
}

/* Reads a process when it was not there at the last listing. */
static int on_pid(uint32_t pid, void *userdata) {
        struct socket_holders *holders = userdata;

        if (!holders_note_pid(holders, pid)) {
                holders->stats.candidate_scans++;
                read_process(holders, pid);
        }
        return 0;
}

static int on_walked_pid(uint32_t pid, void *userdata) {
        struct socket_holders *holders = userdata;

        (void) holders_note_pid(holders, pid);
        read_process(holders, pid);
        return 0;
}

/* Calls handler for all processes and forgets those that are gone. Returns as proc_for_each_pid(). */
int holders_list(struct socket_holders *holders, pid_handler handler, uint64_t now_usec) {
        struct known_pid *known;
        uint32_t cursor = 0;
        int r;

        /* before the listing: what starts during it counts as started since */
        if (holders_read_last_pid(holders, &holders->last_pid) < 0)
                holders->last_pid = 0;
        holders->listed_usec = now_usec;
        holders->listing++;
        r = proc_for_each_pid(holders->config.proc_root, handler, holders);
        if (r < 0)
                return r;
        while ((known = hash_table_next(holders->pids, &cursor)))
                if (known->seen != holders->listing)
                        hash_table_remove(holders->pids, known);
        return 0;
}

static void read_new(struct socket_holders *holders, uint64_t now_usec) {
        uint64_t begin = clock_usec(CLOCK_THREAD_CPUTIME_ID);

        (void) holders_list(holders, on_pid, now_usec);
        holders->list_cost_usec = clock_usec(CLOCK_THREAD_CPUTIME_ID) - begin;
}

/* What a process inherited when it started is shared from then on. */
static void notice_new(struct socket_holders *holders, uint64_t now_usec) {
        uint32_t last_pid;

        if (now_usec - holders->listed_usec < MAX(holders->list_cost_usec * WALK_SHARE, 1u))
                return;
        if (holders->last_pid != 0 && holders_read_last_pid(holders, &last_pid) >= 0 && last_pid == holders->last_pid)
                return;
        read_new(holders, now_usec);
}

static void read_likely(struct socket_holders *holders, uint64_t now_usec) {
        struct recent_holder recent[RECENT_MAX];

        if (holders->read_usec == now_usec)
                return;
        holders->read_usec = now_usec;
        memcpy(recent, holders->recent, sizeof(recent)); /* reading may reorder it */
        for (size_t i = 0; i < RECENT_MAX && recent[i].pid != 0; i++) {
                holders->stats.candidate_scans++;
                read_process(holders, recent[i].pid);
        }
        if (holders->listed_usec != now_usec)
                read_new(holders, now_usec);
}

/* What the walk did not see is gone; what it saw once is proven to be held once. */
static void conclude_walk(struct socket_holders *holders) {
        struct holder *holder;
        uint32_t cursor = 0;

        while ((holder = hash_table_next(holders->by_inode, &cursor))) {
                if (holder->walk != holders->walk)
                        hash_table_remove(holders->by_inode, holder);
                else
                        holder->proven = true;
        }
}

static void forget_shared(struct socket_holders *holders) {
        struct holder *holder;
        uint32_t cursor = 0;

        while ((holder = hash_table_next(holders->by_inode, &cursor)))
                holder->shared = false; /* the walk finds out anew */
}

static void walk(struct socket_holders *holders, uint64_t now_usec) {
        uint64_t begin = clock_usec(CLOCK_THREAD_CPUTIME_ID);

        holders->walk++;
        holders->stats.full_scans++;
        forget_shared(holders);
        if (holders_list(holders, on_walked_pid, now_usec) >= 0)
                conclude_walk(holders);
        holders->walked_usec = now_usec;
        holders->walk_cost_usec = clock_usec(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static bool walk_is_due(const struct socket_holders *holders, uint64_t now_usec, uint64_t interval_usec,
                        uint64_t share) {
        return holders->walked_usec == 0 ||
               now_usec - holders->walked_usec >= MAX(interval_usec, holders->walk_cost_usec * share);
}

/* Before anything that is remembered is believed. */
static void keep_up(struct socket_holders *holders, uint64_t now_usec) {
        if (walk_is_due(holders, now_usec, MAINTENANCE_USEC, MAINTENANCE_SHARE))
                walk(holders, now_usec);
        else
                notice_new(holders, now_usec);
}

/* A socket found in a likely process may be held by others too, as far as they are its relatives:
 * descriptors are inherited under the same number. The parent's are all read, since those that a child gets
 * as its standard input had another number there. */
size_t holders_check_relatives(struct socket_holders *holders, struct holder *holder, int directory, uint32_t parent,
                               uint64_t now_usec) {
        uint32_t children[64];
        size_t n = process_read_children_at(directory, holder->pid, children, ELEMENTSOF(children));

        holder->proven = true;
        if (holder->own) { /* but where they have one table of descriptors: clone(2), CLONE_FILES */
                if (parent > PID_INIT && holders_hold(holders, parent, holder->fd, holder->inode))
                        holder->shared = true;
        } else if (parent > PID_INIT && (parent != holders->parent || now_usec != holders->parent_usec)) {
                holders->parent = parent;
                holders->parent_usec = now_usec;
                read_process(holders, parent);
        }
        for (size_t i = 0; i < n; i++)
                if (holders_hold(holders, children[i], holder->fd, holder->inode))
                        holder->shared = true;
        return n;
}

/* What an entry that is valid comes to: is it its holder's alone, and who is that? */
static enum owner_status answer(struct socket_holders *holders, struct holder *holder, uint64_t now_usec,
                                struct process_info *ret_info) {
        _cleanup_close_ int directory = -1;
        struct recent_holder *recent;
        struct process_info info;
        uint32_t parent;

        if (holder->shared)
                return OWNER_SHARED;
        directory = proc_open_process(holders->config.proc_root, holder->pid);
        if (directory < 0 || process_read_stat_at(directory, &info, &parent) < 0) {
                holders->stats.proc_races++;
                return OWNER_NO_PROCESS;
        }
        if (!holder->proven)
                (void) holders_check_relatives(holders, holder, directory, parent, now_usec);
        if (holder->shared)
                return OWNER_SHARED;
        if (holder->pid != info.id.pid) {
                directory = safe_close(directory);
                if (process_read_stat(holders->config.proc_root, holder->pid, &info) < 0) {
                        holders->stats.proc_races++;
                        return OWNER_NO_PROCESS;
                }
        }
        *ret_info = info;
        recent = holders_remember_recent(holders, holder->pid, holder->fd);
        if (!recent->is_held && directory >= 0)
                holders_hold_on(recent, TAKE_FD(directory), &info);
        return OWNER_FOUND;
}

/* The entry, where its holder still has it; NULL. */
static struct holder *find_valid(struct socket_holders *holders, uint64_t inode) {
        struct holder *holder = hash_table_find(holders->by_inode, &inode);

        if (!holder || holders_hold(holders, holder->pid, holder->fd, inode))
                return holder;
        hash_table_remove(holders->by_inode, holder);
        return NULL;
}

static enum owner_status find_holder(struct socket_holders *holders, uint64_t inode, uint64_t now_usec,
                                     struct process_info *ret_info) {
        struct holder *holder;

        holders->wanted = inode;
        keep_up(holders, now_usec);
        holder = find_valid(holders, inode);
        if (holder && !holder->shared)
                return answer(holders, holder, now_usec, ret_info);
        if (!holder) {
                read_likely(holders, now_usec);
                holder = find_valid(holders, inode);
                if (holder && !holder->shared)
                        return answer(holders, holder, now_usec, ret_info);
        }
        if (holders->walked_usec == now_usec) /* nothing is newer than that */
                return holder ? OWNER_SHARED : OWNER_NO_PROCESS;
        if (!walk_is_due(holders, now_usec, holders->config.scan_interval_usec, WALK_SHARE))
                return holder ? OWNER_SHARED : OWNER_BUSY;
        walk(holders, now_usec);
        holder = find_valid(holders, inode);
        return holder ? answer(holders, holder, now_usec, ret_info) : OWNER_NO_PROCESS;
}

enum owner_status socket_holders_find(struct socket_holders *holders, uint64_t inode, uint64_t now_usec,
                                      struct process_id *ret_process) {
        enum owner_status status;
        struct process_info info;

        status = find_holder(holders, inode, now_usec, &info);
        if (status == OWNER_FOUND)
                *ret_process = info.id;
        return status;
}

bool socket_holders_confirm(struct socket_holders *holders, uint64_t inode, const struct process_id *process,
                            uint64_t now_usec) {
        const struct recent_holder *recent;
        const struct holder *holder;
        struct process_info info;

        holders->wanted = inode;
        keep_up(holders, now_usec);
        holder = find_valid(holders, inode);
        if (!holder || holder->shared || holder->pid != process->pid)
                return false;
        recent = holders_find_recent(holders, holder->pid);
        if (recent && recent->is_held) /* then it was in there that it was found to have it */
                return recent->stat.id.start_ticks == process->start_ticks;
        return process_read_stat(holders->config.proc_root, holder->pid, &info) >= 0 &&
               info.id.start_ticks == process->start_ticks;
}

void socket_holders_stats(const struct socket_holders *holders, struct owner_stats *stats) {
        stats->candidate_scans += holders->stats.candidate_scans;
        stats->full_scans += holders->stats.full_scans;
        stats->proc_races += holders->stats.proc_races;
}
