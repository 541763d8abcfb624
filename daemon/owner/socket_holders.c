/* SPDX-License-Identifier: MIT */
#include "owner/socket_holders.h"

#include <errno.h>
#include <string.h>

#include "owner/proc_file.h"
#include "owner/process_reader.h"
#include "util/clock.h"
#include "util/hash_table.h"

/* Processes that held what was asked for of late. More of them are not more likely. */
#define RECENT_MAX 16u

/* Walks over all of /proc, and looks at what has started, may each take this part of a processor's time, not
 * of what passes while others have it; and one walk in so long is made while anything is asked, for sockets
 * that were handed on. */
#define WALK_SHARE        20u
#define MAINTENANCE_USEC  (5 * USEC_PER_SEC)
#define MAINTENANCE_SHARE 100u

#define MAX_PIDS 4194304u /* PID_MAX_LIMIT, include/linux/threads.h */

/* systemd keeps the sockets it activates services by, and never uses them itself while the service runs. */
#define PID_INIT 1u

struct holder {
        uint64_t inode; /* key */
        uint32_t pid, fd;
        uint64_t walk; /* the walk or reading that saw it last */
        bool shared;   /* another process holds it too */
        bool proven;   /* a walk found no other holder, or the relatives have none */
};

struct known_pid {
        uint32_t pid; /* key */
        uint32_t padding;
        uint64_t seen; /* the listing of /proc that had it last */
};

struct socket_holders {
        struct owner_config config;
        struct hash_table *by_inode; /* struct holder */
        struct hash_table *pids;     /* struct known_pid */
        uint32_t recent[RECENT_MAX]; /* newest first; 0: none */
        uint64_t walk;               /* serial number of walks */
        uint64_t listing;            /* serial number of listings of /proc */
        uint64_t read_usec;          /* when likely processes were read last */
        uint64_t listed_usec, list_cost_usec;
        uint64_t walked_usec, walk_cost_usec;
        uint64_t wanted;      /* the inode asked for: it finds room even where there is none */
        uint32_t last_pid;    /* the newest process there was at the last listing */
        uint32_t reading;     /* pid whose descriptors are being read */
        uint32_t parent;      /* read last for its child's sake, */
        uint64_t parent_usec; /* and when: once is enough for all its children */
        struct owner_stats stats;
};

int socket_holders_new(const struct owner_config *config, struct socket_holders **ret_holders) {
        _cleanup_(socket_holders_freep) struct socket_holders *holders = calloc(1, sizeof(*holders));
        int r;

        if (!holders)
                return -ENOMEM;
        holders->config = *config;
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
        hash_table_free(holders->by_inode);
        hash_table_free(holders->pids);
        free(holders);
}

static bool holds(struct socket_holders *holders, uint32_t pid, uint32_t fd, uint64_t inode) {
        uint64_t there;

        return proc_socket_at(holders->config.proc_root, pid, fd, &there) >= 0 && there == inode;
}

static void remember_recent(struct socket_holders *holders, uint32_t pid) {
        size_t i = 0;

        while (i < RECENT_MAX - 1 && holders->recent[i] != pid && holders->recent[i] != 0)
                i++;
        memmove(holders->recent + 1, holders->recent, i * sizeof(*holders->recent));
        holders->recent[0] = pid;
}

/* A second holder was seen beside the one that is known. */
static void meet_other_holder(struct socket_holders *holders, struct holder *holder, uint32_t pid,
                              uint32_t fd) {
        if (holder->pid != PID_INIT && pid != PID_INIT &&
            holds(holders, holder->pid, holder->fd, holder->inode)) {
                holder->shared = true;
                if (holder->inode == holders->wanted) /* it may be the one that is left */
                        remember_recent(holders, pid);
                return;
        }
        if (pid == PID_INIT && holds(holders, holder->pid, holder->fd, holder->inode))
                return;
        holder->pid = pid;
        holder->fd = fd;
        holder->proven = false;
}

/* A new entry. Most sockets there are have nothing to do with the network, and nothing in /proc/PID/fd tells
 * them apart: where they fill the table, one of them gives way to the socket that is wanted. */
static struct holder *add_holder(struct socket_holders *holders, uint64_t inode) {
        uint32_t cursor = 0;
        void *entry;
        int r;

        r = hash_table_add(holders->by_inode, &inode, &entry);
        if (r == -ENOSPC && inode == holders->wanted) {
                hash_table_remove(holders->by_inode, hash_table_next(holders->by_inode, &cursor));
                r = hash_table_add(holders->by_inode, &inode, &entry);
        }
        return r < 0 ? NULL : entry;
}

/* While the descriptors of one process are read: remember each socket and who holds it. */
static int on_socket(uint32_t fd, uint64_t inode, void *userdata) {
        struct socket_holders *holders = userdata;
        struct holder *holder = hash_table_find(holders->by_inode, &inode);

        if (!holder) {
                holder = add_holder(holders, inode);
                if (!holder)
                        return 0; /* full: looked for again when it is wanted */
                holder->pid = holders->reading;
                holder->fd = fd;
        } else if (holder->pid == holders->reading)
                holder->fd = fd;
        else
                meet_other_holder(holders, holder, holders->reading, fd);
        holder->walk = holders->walk;
        return 0;
}

static void read_process(struct socket_holders *holders, uint32_t pid) {
        int r;

        holders->reading = pid;
        r = proc_for_each_socket(holders->config.proc_root, pid, on_socket, holders,
                                 &holders->stats.proc_races);
        if (r == -ESRCH)
                holders->stats.proc_races++;
}

/* Returns whether the process was known, which it is from now on. */
static bool note_pid(struct socket_holders *holders, uint32_t pid) {
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

        if (!note_pid(holders, pid)) {
                holders->stats.candidate_scans++;
                read_process(holders, pid);
        }
        return 0;
}

static int on_walked_pid(uint32_t pid, void *userdata) {
        struct socket_holders *holders = userdata;

        (void) note_pid(holders, pid);
        read_process(holders, pid);
        return 0;
}

/* Calls handler for all processes and forgets those that are gone. Returns as proc_for_each_pid(). */
static int list_processes(struct socket_holders *holders, pid_handler handler, uint64_t now_usec) {
        struct known_pid *known;
        uint32_t cursor = 0;
        int r;

        /* before the listing: what starts during it counts as started since */
        if (proc_last_pid(holders->config.proc_root, &holders->last_pid) < 0)
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

        (void) list_processes(holders, on_pid, now_usec);
        holders->list_cost_usec = clock_usec(CLOCK_THREAD_CPUTIME_ID) - begin;
}

/* What a process inherited when it started is shared from then on. */
static void notice_new(struct socket_holders *holders, uint64_t now_usec) {
        uint32_t last_pid;

        if (now_usec - holders->listed_usec < MAX(holders->list_cost_usec * WALK_SHARE, 1u))
                return;
        if (holders->last_pid != 0 && proc_last_pid(holders->config.proc_root, &last_pid) >= 0 &&
            last_pid == holders->last_pid)
                return;
        read_new(holders, now_usec);
}

static void read_likely(struct socket_holders *holders, uint64_t now_usec) {
        uint32_t recent[RECENT_MAX];

        if (holders->read_usec == now_usec)
                return;
        holders->read_usec = now_usec;
        memcpy(recent, holders->recent, sizeof(recent)); /* reading may reorder it */
        for (size_t i = 0; i < RECENT_MAX && recent[i] != 0; i++) {
                holders->stats.candidate_scans++;
                read_process(holders, recent[i]);
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
        if (list_processes(holders, on_walked_pid, now_usec) >= 0)
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
static void check_relatives(struct socket_holders *holders, struct holder *holder, uint64_t now_usec) {
        uint32_t parent, children[64];
        size_t n;

        holder->proven = true;
        if (process_read_relatives(holders->config.proc_root, holder->pid, &parent, children,
                                   ELEMENTSOF(children), &n) < 0)
                return;
        if (parent > PID_INIT && (parent != holders->parent || now_usec != holders->parent_usec)) {
                holders->parent = parent;
                holders->parent_usec = now_usec;
                read_process(holders, parent);
        }
        for (size_t i = 0; i < n; i++)
                if (holds(holders, children[i], holder->fd, holder->inode))
                        holder->shared = true;
}

static enum owner_status answer(struct socket_holders *holders, struct holder *holder, uint64_t now_usec,
                                struct process_id *ret_process) {
        struct process_info info;

        if (!holder->proven)
                check_relatives(holders, holder, now_usec);
        if (holder->shared)
                return OWNER_SHARED;
        if (process_read_stat(holders->config.proc_root, holder->pid, &info) < 0) {
                holders->stats.proc_races++;
                return OWNER_NO_PROCESS;
        }
        remember_recent(holders, holder->pid);
        *ret_process = info.id;
        return OWNER_FOUND;
}

/* The entry, where its holder still has it. */
static struct holder *find_valid(struct socket_holders *holders, uint64_t inode) {
        struct holder *holder = hash_table_find(holders->by_inode, &inode);

        if (!holder || holds(holders, holder->pid, holder->fd, inode))
                return holder;
        hash_table_remove(holders->by_inode, holder);
        return NULL;
}

enum owner_status socket_holders_find(struct socket_holders *holders, uint64_t inode, uint64_t now_usec,
                                      struct process_id *ret_process) {
        struct holder *holder;

        holders->wanted = inode;
        keep_up(holders, now_usec);
        holder = find_valid(holders, inode);
        if (holder && !holder->shared)
                return answer(holders, holder, now_usec, ret_process);
        if (!holder) {
                read_likely(holders, now_usec);
                holder = find_valid(holders, inode);
                if (holder && !holder->shared)
                        return answer(holders, holder, now_usec, ret_process);
        }
        if (holders->walked_usec == now_usec) /* nothing is newer than that */
                return holder ? OWNER_SHARED : OWNER_NO_PROCESS;
        if (!walk_is_due(holders, now_usec, holders->config.scan_interval_usec, WALK_SHARE))
                return holder ? OWNER_SHARED : OWNER_BUSY;
        walk(holders, now_usec);
        holder = find_valid(holders, inode);
        return holder ? answer(holders, holder, now_usec, ret_process) : OWNER_NO_PROCESS;
}

bool socket_holders_confirm(struct socket_holders *holders, uint64_t inode, const struct process_id *process,
                            uint64_t now_usec) {
        const struct holder *holder;
        struct process_info info;

        holders->wanted = inode;
        keep_up(holders, now_usec);
        holder = find_valid(holders, inode);
        return holder && !holder->shared && holder->pid == process->pid &&
               process_read_stat(holders->config.proc_root, holder->pid, &info) >= 0 &&
               info.id.start_ticks == process->start_ticks;
}

void socket_holders_stats(const struct socket_holders *holders, struct owner_stats *stats) {
        stats->candidate_scans += holders->stats.candidate_scans;
        stats->full_scans += holders->stats.full_scans;
        stats->proc_races += holders->stats.proc_races;
}
