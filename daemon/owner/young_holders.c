/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "owner/process_reader.h"
#include "owner/socket_holders_internal.h"

/* Of the numbers given to processes and threads last, so many are looked at for a socket that was made just now, and
 * the descriptors of so many of those that are processes. */
#define YOUNG_NUMBERS   96u
#define YOUNG_PROCESSES 16u

/* Of those that started between two questions, so many come before all others. */
#define STARTED_MAX 4u

/* Where those do not have it, so many of all the others are, in turn: an old process that has not made a connection for
 * long makes its next ones soon, and is then one of those of late. */
#define TURN_PROCESSES 8u

/* Those with more sockets than this are not read to the end for a new one: reading takes about 2 µs each. */
#define YOUNG_SOCKETS_MAX 512u

/* Of those of late, so many come before the youngest: who makes one connection after the other is soon found, and those
 * that are gone cost little. */
#define LATEST 3u

/* After so many answers it is found out what a process waits for; and after so many between two forks, what else it has. */
#define WORTH_WHILE 4u

/* Holds a socket that was seen, and is not where it was. */
#define NOBODY 0u

/* For those that hold a listening socket, /proc is walked over at most so often. */
#define MEET_USEC (1 * USEC_PER_SEC)

static int on_listed_pid(uint32_t pid, void *userdata) {
        (void) holders_note_pid(userdata, pid);
        return 0;
}

static int on_young_socket(uint32_t fd, uint64_t inode, void *userdata) {
        struct socket_holders *holders = userdata;

        (void) holders_on_socket(fd, inode, holders);
        return ++holders->n_sockets < YOUNG_SOCKETS_MAX ? 0 : -E2BIG;
}

/* The entry, where its holder still has it; NULL. Where it has not, others may have been seen with it, or it has it under
 * another number. That it was there is remembered: whoever is found with it has not come by it since all of its were read. */
static struct holder *find_known(struct socket_holders *holders, uint64_t inode) {
        struct holder *holder = hash_table_find(holders->by_inode, &inode);

        if (!holder || holder->pid == NOBODY)
                return NULL;
        if (holders_hold(holders, holder->pid, holder->fd, inode))
                return holder;
        holder->pid = NOBODY;
        holder->own = holder->shared = false;
        holder->since = 0;
        return NULL;
}

/* Does this process have it? The entry; NULL. */
static struct holder *find_in(struct socket_holders *holders, uint32_t pid, uint64_t inode) {
        const struct recent_holder *recent = holders_find_recent(holders, pid);
        int r;

        holders->stats.candidate_scans++;
        holders->lacks_room = false;
        r = holders_read(holders, pid, recent, on_young_socket);
        if (r == -ESRCH)
                holders_forget_recent(holders, pid);
        holders->whole = r == 0 && !holders->lacks_room ? pid : 0;
        return find_known(holders, inode);
}

/* The numbers of those of late; reading may reorder them. */
static void copy_recent(const struct socket_holders *holders, uint32_t ret_pids[static RECENT_MAX]) {
        for (size_t i = 0; i < RECENT_MAX; i++)
                ret_pids[i] = holders->recent[i].pid;
}

/* Who serves many connections waits for them with epoll(7), which tells of all of them at once. */
static struct holder *find_among_targets(struct socket_holders *holders, uint64_t inode, uint64_t now_usec) {
        uint32_t pids[RECENT_MAX];

        copy_recent(holders, pids);
        for (size_t i = 0; i < RECENT_MAX && pids[i] != 0; i++)
                holders_read_targets(holders, pids[i], now_usec);
        return find_known(holders, inode);
}

static struct holder *enter(struct socket_holders *holders, uint64_t inode, uint32_t pid, uint32_t fd) {
        const struct recent_holder *recent = holders_find_recent(holders, pid);
        struct holder *holder = hash_table_find(holders->by_inode, &inode);

        if (!holder) {
                holder = holders_add(holders, inode);
                if (!holder)
                        return NULL;
                holder->own = recent && recent->whole;
                holder->since = holders_settled(holders, recent);
        }
        holder->pid = pid;
        holder->fd = fd;
        return holder;
}

/* The lowest number that is free is given to a new socket: often that of the one before. */
static struct holder *find_at_recent(struct socket_holders *holders, uint64_t inode) {
        for (size_t i = 0; i < LATEST && holders->recent[i].pid != 0; i++) {
                const struct recent_holder recent = holders->recent[i];

                if (holders_hold(holders, recent.pid, recent.fd, inode))
                        return enter(holders, inode, recent.pid, recent.fd);
        }
        return NULL;
}

static struct holder *find_in_recent(struct socket_holders *holders, uint64_t inode, size_t first, size_t end) {
        struct holder *holder = NULL;
        uint32_t pids[RECENT_MAX];

        copy_recent(holders, pids);
        for (size_t i = first; i < end && pids[i] != 0 && !holder; i++)
                holder = find_in(holders, pids[i], inode);
        return holder;
}

/* The process that makes a connection is often the one that started last: its number tells, without a listing. Of so many
 * numbers, the last ones that were given. */
static struct holder *find_in_youngest(struct socket_holders *holders, uint64_t inode, uint32_t numbers) {
        const uint32_t last = holders->forked;
        struct holder *holder = NULL;
        uint32_t n_read = 0;

        for (uint32_t i = 0; i < numbers && i < last && n_read < YOUNG_PROCESSES && !holder; i++) {
                if (process_is_leader(holders->config.proc_root, last - i) <= 0)
                        continue;
                n_read++;
                holder = find_in(holders, last - i, inode);
        }
        return holder;
}

/* What has started since the last question is the likeliest of all. */
static struct holder *find_in_started(struct socket_holders *holders, uint64_t inode) {
        uint32_t started = holders->forked > holders->asked_forked ? holders->forked - holders->asked_forked : 0;

        holders->asked_forked = holders->forked;
        return find_in_youngest(holders, inode, MIN(started, STARTED_MAX));
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

/* One that was accepted just now: whoever listens is among those of late, see socket_holders_meet(). */
static struct holder *find_accepted(struct socket_holders *holders, uint64_t inode) {
        return find_in_recent(holders, inode, 0, RECENT_MAX);
}

static struct holder *find_opened(struct socket_holders *holders, uint64_t inode, uint64_t now_usec) {
        struct holder *holder = find_in_recent(holders, inode, 0, LATEST);

        if (!holder)
                holder = find_in_youngest(holders, inode, YOUNG_NUMBERS);
        if (!holder)
                holder = find_in_recent(holders, inode, LATEST, RECENT_MAX);
        if (!holder)
                holder = find_in_turn(holders, inode, now_usec);
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

bool socket_holders_meet(struct socket_holders *holders, const uint64_t *inodes, size_t n, uint64_t now_usec) {
        struct meeting meeting = {.holders = holders, .inodes = inodes, .n = n};
        uint64_t begin;

        if (holders->met_usec != 0 &&
            now_usec - holders->met_usec < MAX(MEET_USEC, holders->meet_cost_usec * MAINTENANCE_SHARE))
                return false;
        holders->met_usec = now_usec;
        holders->stats.full_scans++;
        begin = clock_usec(CLOCK_THREAD_CPUTIME_ID);
        (void) proc_for_each_pid(holders->config.proc_root, on_met_pid, &meeting);
        holders->meet_cost_usec = clock_usec(CLOCK_THREAD_CPUTIME_ID) - begin;
        return true;
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

/* Once there have been several answers, it is worth while: all that it holds is read, and what it comes by from then on has
 * not been inherited by anybody. Not where it has children, which it could hand what it has on to. */
static void settle(struct socket_holders *holders, struct recent_holder *recent, uint64_t now_usec) {
        const uint64_t forks = holders->forks;
        const uint32_t pid = recent->pid;

        recent->n_asked = 0;
        holders_note_forks(holders, now_usec);
        if (holders->forks != forks) /* since its children were looked for */
                return;
        (void) find_in(holders, pid, holders->wanted);
        recent = holders_find_recent(holders, pid);
        if (!recent || !recent->is_held)
                return;
        recent->is_large = holders->n_sockets >= YOUNG_SOCKETS_MAX;
        if (holders->whole != pid)
                return;
        recent->whole = true;
        recent->settled = forks;
}

static void note_answer(struct socket_holders *holders, struct recent_holder *recent, bool has_children, uint64_t now_usec) {
        if (recent->n_found < WORTH_WHILE && ++recent->n_found == WORTH_WHILE) {
                int n = proc_find_epolls(recent->directory, YOUNG_SOCKETS_MAX, recent->epolls, EPOLLS_MAX);

                recent->n_epolls = n < 0 ? 0 : (size_t) n;
        }
        if (recent->asked != holders->forks)
                recent->n_asked = 0;
        recent->asked = holders->forks;
        if (++recent->n_asked >= WORTH_WHILE && !has_children && !recent->is_large && holders_settled(holders, recent) == 0)
                settle(holders, recent, now_usec);
}

/* Reads who it is from what is there under its number. Returns its directory, or a negative errno. */
static int open_holder(struct socket_holders *holders, const struct holder *holder, struct process_info *ret_info,
                       uint32_t *ret_parent) {
        _cleanup_close_ int directory = proc_open_process(holders->config.proc_root, holder->pid);
        uint64_t there;
        int r;

        if (directory < 0)
                return directory;
        r = process_read_stat_at(directory, ret_info, ret_parent);
        if (r < 0)
                return r;
        r = proc_socket_in(directory, holder->fd, &there); /* of this one, and not of who had the number before */
        if (r < 0 || there != holder->inode)
                return -ESRCH;
        return TAKE_FD(directory);
}

static bool is_held_by(const struct recent_holder *recent, int directory) {
        return recent && recent->is_held && recent->directory == directory;
}

/* Is it its holder's alone, and who is that? Of one that has just been found. */
static enum owner_status answer_anew(struct socket_holders *holders, struct holder *holder, uint64_t now_usec,
                                     struct process_info *ret_info) {
        struct recent_holder *recent = holders_find_recent(holders, holder->pid);
        _cleanup_close_ int opened = -1;
        struct process_info info;
        uint32_t parent;
        size_t n_children;
        int directory;
        bool is_same;

        is_same = recent && recent->is_held && process_read_stat_at(recent->directory, &info, &parent) >= 0 &&
                  process_id_equal(&recent->stat.id, &info.id);
        if (is_same)
                directory = recent->directory;
        else {
                if (recent && recent->is_held) /* it is another's number now */
                        holders_forget_recent(holders, holder->pid);
                forget_own(holders, holder->pid);
                directory = opened = open_holder(holders, holder, &info, &parent);
        }
        if (directory < 0) {
                holders->stats.proc_races++;
                return OWNER_NO_PROCESS;
        }
        n_children = holders_check_relatives(holders, holder, directory, parent, now_usec); /* may forget some of those of late */
        if (holder->shared)
                return OWNER_SHARED;
        if (holder->pid != info.id.pid || (opened < 0 && !is_held_by(holders_find_recent(holders, holder->pid), directory))) {
                holders->stats.proc_races++;
                return OWNER_NO_PROCESS;
        }
        recent = holders_remember_recent(holders, holder->pid, holder->fd);
        if (opened >= 0)
                holders_hold_on(recent, TAKE_FD(opened), &info);
        recent->whole |= holders->whole == holder->pid;
        recent->parent = parent;
        recent->stat = *ret_info = info;
        note_answer(holders, recent, n_children > 0, now_usec);
        return OWNER_FOUND;
}

/* Did it come by this socket while it was settled, and is it so still? It was seen to have it before. */
static bool is_its_alone(const struct socket_holders *holders, const struct recent_holder *recent, const struct holder *holder) {
        return holder->since != 0 && holder->since == holders_settled(holders, recent) && !holder->shared;
}

static enum owner_status answer(struct socket_holders *holders, struct holder *holder, uint64_t now_usec,
                                struct process_info *ret_info) {
        struct recent_holder *recent;

        holders_note_forks(holders, now_usec);
        recent = holders_find_recent(holders, holder->pid);
        if (!is_its_alone(holders, recent, holder))
                return answer_anew(holders, holder, now_usec, ret_info);
        *ret_info = recent->stat;
        if (recent->parent > PID_INIT && holders_hold(holders, recent->parent, holder->fd, holder->inode)) {
                holder->shared = true;
                return OWNER_SHARED;
        }
        (void) holders_remember_recent(holders, holder->pid, holder->fd);
        return OWNER_FOUND;
}

static struct holder *find_likely(struct socket_holders *holders, uint64_t inode, bool accepted, uint64_t now_usec) {
        struct holder *holder = find_known(holders, inode);

        if (!holder && !accepted)
                holder = find_in_started(holders, inode);
        if (!holder)
                holder = find_among_targets(holders, inode, now_usec);
        if (!holder)
                holder = find_at_recent(holders, inode);
        return holder;
}

enum owner_status socket_holders_find_young(struct socket_holders *holders, uint64_t inode, enum young_search search,
                                            uint64_t now_usec, struct process_info *ret_info) {
        struct holder *holder;

        holders->wanted = inode;
        holders->whole = 0;
        make_room(holders);
        if (holders->forks_usec != now_usec)
                holders_note_forks(holders, now_usec);
        holder = find_likely(holders, inode, search == SEARCH_LIKELY_SERVERS || search == SEARCH_SERVERS, now_usec);
        if (!holder && search == SEARCH_SERVERS)
                holder = find_accepted(holders, inode);
        if (!holder && search == SEARCH_ALL)
                holder = find_opened(holders, inode, now_usec);
        if (!holder)
                return OWNER_NO_PROCESS;
        return answer(holders, holder, now_usec, ret_info);
}
