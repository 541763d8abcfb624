/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "owner/process_reader.h"
#include "owner/socket_holders_internal.h"

/* Of the numbers given to processes and threads last, so many are looked at for a socket that was made just now, and
 * the descriptors of so many of those that are processes. */
#define YOUNG_NUMBERS   96u
#define YOUNG_PROCESSES 16u

/* Where those do not have it, so many of all the others are, in turn: an old process that has not made a connection for
 * long makes its next ones soon, and is then one of those of late. */
#define TURN_PROCESSES 8u

/* Those with more sockets than this are not read to the end for a new one: reading takes about 2 µs each. */
#define YOUNG_SOCKETS_MAX 512u

/* Of those of late, so many come before the youngest: who makes one connection after the other is soon found, and those
 * that are gone cost little. */
#define LATEST 3u

/* For those that hold a listening socket, /proc is walked over at most so often. */
#define MEET_USEC (1 * USEC_PER_SEC)

static void forget_recent(struct socket_holders *holders, uint32_t pid) {
        size_t n = 0;

        for (size_t i = 0; i < RECENT_MAX; i++)
                if (holders->recent[i].pid != pid)
                        holders->recent[n++] = holders->recent[i];
        for (; n < RECENT_MAX; n++)
                holders->recent[n] = (struct recent_holder){};
}

static struct recent_holder *find_recent(struct socket_holders *holders, uint32_t pid) {
        for (size_t i = 0; i < RECENT_MAX; i++)
                if (holders->recent[i].pid == pid)
                        return &holders->recent[i];
        return NULL;
}

static int on_listed_pid(uint32_t pid, void *userdata) {
        (void) holders_note_pid(userdata, pid);
        return 0;
}

static int on_young_socket(uint32_t fd, uint64_t inode, void *userdata) {
        struct socket_holders *holders = userdata;

        (void) holders_on_socket(fd, inode, holders);
        return ++holders->n_sockets < YOUNG_SOCKETS_MAX ? 0 : -E2BIG;
}

/* Does this process have it? The entry; NULL. */
static struct holder *find_in(struct socket_holders *holders, uint32_t pid, uint64_t inode) {
        struct recent_holder *recent = find_recent(holders, pid);
        int r;

        holders->stats.candidate_scans++;
        holders->was_whole = recent && recent->whole;
        holders->lacks_room = false;
        r = holders_read(holders, pid, on_young_socket);
        if (r == -ESRCH)
                forget_recent(holders, pid);
        holders->whole = r == 0 && !holders->lacks_room ? pid : 0;
        return holders_find_valid(holders, inode);
}

/* The entry of one that has been seen before, where its holder still has it. Where it has not, others may have been seen
 * with it, or it has it under another number: those have not come by it since all of theirs were read. */
static struct holder *find_known(struct socket_holders *holders, uint64_t inode) {
        bool was_known = hash_table_find(holders->by_inode, &inode);
        struct holder *holder = holders_find_valid(holders, inode);

        if (was_known && !holder)
                holders_forget_whole(holders);
        return holder;
}

/* The lowest number that is free is given to a new socket: often that of the one before. */
static struct holder *find_at_recent(struct socket_holders *holders, uint64_t inode) {
        for (size_t i = 0; i < LATEST && holders->recent[i].pid != 0; i++) {
                struct holder *holder;

                if (!holders_hold(holders, holders->recent[i].pid, holders->recent[i].fd, inode))
                        continue;
                holder = holders_add(holders, inode);
                if (!holder)
                        return NULL;
                holder->pid = holders->recent[i].pid;
                holder->fd = holders->recent[i].fd;
                holder->own = holders->recent[i].whole;
                return holder;
        }
        return NULL;
}

static struct holder *find_in_recent(struct socket_holders *holders, uint64_t inode, size_t first, size_t end) {
        struct holder *holder = NULL;
        struct recent_holder recent[RECENT_MAX];

        memcpy(recent, holders->recent, sizeof(recent)); /* reading may reorder it */
        for (size_t i = first; i < end && recent[i].pid != 0 && !holder; i++)
                holder = find_in(holders, recent[i].pid, inode);
        return holder;
}

/* The process that makes a connection is often the one that started last: its number tells, without a listing. */
static struct holder *find_in_youngest(struct socket_holders *holders, uint64_t inode) {
        struct holder *holder = NULL;
        uint32_t last, n_read = 0;

        if (proc_last_pid(holders->config.proc_root, &last) < 0)
                return NULL;
        for (uint32_t i = 0; i < YOUNG_NUMBERS && i < last && n_read < YOUNG_PROCESSES && !holder; i++) {
                if (process_is_leader(holders->config.proc_root, last - i) <= 0)
                        continue;
                n_read++;
                holder = find_in(holders, last - i, inode);
        }
        return holder;
}

/* A listing for the turns to go by: what started since is among the youngest. */
static void list_for_turns(struct socket_holders *holders, uint64_t now_usec) {
        uint64_t begin = clock_usec(CLOCK_THREAD_CPUTIME_ID);

        holders->turn = 0;
        if (holders->listed_usec != 0 && now_usec - holders->listed_usec < holders->list_cost_usec * WALK_SHARE)
                return;
        (void) holders_list(holders, on_listed_pid, now_usec);
        holders->list_cost_usec = clock_usec(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static struct holder *find_in_turn(struct socket_holders *holders, uint64_t inode, uint64_t now_usec) {
        struct holder *holder = NULL;

        for (uint32_t i = 0; i < TURN_PROCESSES && !holder; i++) {
                struct known_pid *known = hash_table_next(holders->pids, &holders->turn);

                if (!known) {
                        list_for_turns(holders, now_usec);
                        return NULL;
                }
                holder = find_in(holders, known->pid, inode);
                if (known->turns++ > 0 && holders->n_unseen > 0) /* it comes by new ones: why not by the next */
                        (void) holders_remember_recent(holders, known->pid, 0);
        }
        return holder;
}

struct meeting {
        struct socket_holders *holders;
        const uint64_t *inodes;
        size_t n;
};

static int on_met_socket(uint32_t fd, uint64_t inode, void *userdata) {
        const struct meeting *meeting = userdata;

        (void) fd;
        for (size_t i = 0; i < meeting->n; i++)
                if (meeting->inodes[i] == inode)
                        return -EEXIST;
        return 0;
}

static int on_met_pid(uint32_t pid, void *userdata) {
        struct meeting *meeting = userdata;
        struct socket_holders *holders = meeting->holders;

        if (pid != PID_INIT && proc_for_each_socket(holders->config.proc_root, pid, on_met_socket, meeting,
                                                    &holders->stats.proc_races) == -EEXIST)
                (void) holders_remember_recent(holders, pid, 0);
        return 0;
}

void socket_holders_meet(struct socket_holders *holders, const uint64_t *inodes, size_t n, uint64_t now_usec) {
        struct meeting meeting = {.holders = holders, .inodes = inodes, .n = n};
        uint64_t begin;

        if (holders->met_usec != 0 &&
            now_usec - holders->met_usec < MAX(MEET_USEC, holders->meet_cost_usec * MAINTENANCE_SHARE))
                return;
        holders->met_usec = now_usec;
        holders->stats.full_scans++;
        begin = clock_usec(CLOCK_THREAD_CPUTIME_ID);
        (void) proc_for_each_pid(holders->config.proc_root, on_met_pid, &meeting);
        holders->meet_cost_usec = clock_usec(CLOCK_THREAD_CPUTIME_ID) - begin;
}

/* No walk tells here which of them are gone: what is full of those begins anew. */
static void make_room(struct socket_holders *holders) {
        struct holder *holder;
        uint32_t cursor = 0;

        if (hash_table_size(holders->by_inode) < hash_table_capacity(holders->by_inode))
                return;
        while ((holder = hash_table_next(holders->by_inode, &cursor)))
                hash_table_remove(holders->by_inode, holder);
        holders_forget_whole(holders);
}

/* What was read of it was another process's, which had that number before. */
static void forget_own(struct socket_holders *holders, uint32_t pid) {
        struct holder *holder;
        uint32_t cursor = 0;

        while ((holder = hash_table_next(holders->by_inode, &cursor)))
                if (holder->pid == pid)
                        holder->own = false;
}

/* As holders_answer(), of one that has just been found. */
static enum owner_status answer(struct socket_holders *holders, struct holder *holder, uint64_t now_usec,
                                struct process_info *ret_info) {
        struct recent_holder *recent = find_recent(holders, holder->pid);

        if (process_read_stat(holders->config.proc_root, holder->pid, ret_info) < 0) {
                holders->stats.proc_races++;
                return OWNER_NO_PROCESS;
        }
        if (!recent || recent->start_ticks != ret_info->id.start_ticks)
                forget_own(holders, holder->pid);
        holders_check_relatives(holders, holder, now_usec);
        if (holder->shared)
                return OWNER_SHARED;
        recent = holders_remember_recent(holders, holder->pid, holder->fd);
        recent->whole = holders->whole == holder->pid ||
                        (recent->whole && recent->start_ticks == ret_info->id.start_ticks);
        recent->start_ticks = ret_info->id.start_ticks;
        return OWNER_FOUND;
}

enum owner_status socket_holders_find_young(struct socket_holders *holders, uint64_t inode, uint64_t now_usec,
                                            struct process_info *ret_info) {
        struct holder *holder;

        holders->wanted = inode;
        holders->whole = 0;
        make_room(holders);
        holder = find_known(holders, inode);
        if (!holder)
                holder = find_at_recent(holders, inode);
        if (!holder)
                holder = find_in_recent(holders, inode, 0, LATEST);
        if (!holder)
                holder = find_in_youngest(holders, inode);
        if (!holder)
                holder = find_in_recent(holders, inode, LATEST, RECENT_MAX);
        if (!holder)
                holder = find_in_turn(holders, inode, now_usec);
        if (!holder)
                return OWNER_NO_PROCESS;
        return answer(holders, holder, now_usec, ret_info);
}
