/* SPDX-License-Identifier: MIT */
#pragma once

#include "owner/proc_file.h"
#include "owner/socket_holders.h"
#include "util/clock.h"
#include "util/hash_table.h"

/* What socket_holders.c, young_holders.c and recent_holders.c share. */

/* Processes that held what was asked for of late. More of them are not more likely. */
#define RECENT_MAX 16u

/* Walks over all of /proc, and looks at what has started, may each take this part of a processor's time, not of what
 * passes while others have it; walks for what may have changed by itself, that part. */
#define WALK_SHARE        20u
#define MAINTENANCE_SHARE 100u

/* systemd keeps the sockets it activates services by, and never uses them itself while the service runs. */
#define PID_INIT 1u

struct holder {
        uint64_t inode; /* key */
        uint32_t pid, fd;
        uint64_t walk; /* the walk or reading that saw it last */
        bool shared;   /* another process holds it too */
        bool proven;   /* a walk found no other holder, or the relatives have none */
        bool own;      /* all sockets of its holder had been read before, without it: it was not inherited from a parent */
        uint64_t since; /* as recent_holder.settled, where its holder was settled when it came by it; 0: it was not */
};

/* Of one process, so many are read. */
#define EPOLLS_MAX 4u

/* A process that was seen to have a socket of late. */
struct recent_holder {
        uint32_t pid, fd; /* where it held a socket last */
        bool whole;       /* all that it holds have been read, and are remembered as long as they are there */
        bool is_held;     /* it is known by its directory below /proc, and not only by its number, which may be given again */
        int directory;    /* where it is: O_PATH */
        struct process_info stat; /* what it said of itself then; no strings are in it */

        /* of young sockets only */
        bool is_large; /* it has more than are read of one process */
        uint32_t parent;
        uint64_t asked, settled;  /* socket_holders.forks, when its relatives were looked at; and when it had no children, and
                                   * all that it holds was read: what it has come by since, no child has, until something
                                   * forks */
        uint32_t n_asked;         /* answers since `asked` */
        uint32_t n_found;         /* answers, up to WORTH_WHILE */
        uint32_t epolls[EPOLLS_MAX]; /* its instances of epoll(7), which tell of many sockets at once */
        size_t n_epolls;
        uint64_t targets_usec; /* CLOCK_MONOTONIC, when these were read */
};

struct known_pid {
        uint32_t pid;   /* key */
        uint32_t turns; /* it was read in so many of them */
        uint64_t seen;  /* the listing of /proc that had it last */
};

struct socket_holders {
        struct owner_config config;
        struct hash_table *by_inode;             /* struct holder */
        struct hash_table *pids;                 /* struct known_pid */
        struct recent_holder recent[RECENT_MAX]; /* newest first; pid 0: none */
        uint64_t walk;                           /* serial number of walks */
        uint64_t listing;                        /* serial number of listings of /proc */
        uint64_t read_usec;                      /* when likely processes were read last */
        uint64_t listed_usec, list_cost_usec;
        uint64_t walked_usec, walk_cost_usec;
        uint64_t wanted;      /* the inode asked for: it finds room even where there is none */
        uint32_t last_pid;    /* the newest process there was at the last listing */
        int last_pid_fd;      /* as proc_open_last_pid(); -1: not opened */
        uint32_t reading;     /* pid whose descriptors are being read */
        uint32_t parent;      /* read last for its child's sake, */
        uint64_t parent_usec; /* and when: once is enough for all its children */

        /* of young sockets only */
        uint64_t met_usec, meet_cost_usec; /* socket_holders_meet() */
        uint32_t turn;                     /* cursor over pids */
        uint32_t n_sockets, n_unseen;      /* of the process that is being read; and how many of these were not known */
        bool was_whole, lacks_room;        /* that process, before; for all that it has */
        uint64_t was_settled;              /* as recent_holder.settled, of that process before; 0: it was not */
        uint32_t whole;                    /* the one that was read to its end last, in the search under way; 0: none */
        uint64_t forks;                    /* moves on whenever something may have forked, threads too; 0: not looked at yet */
        uint32_t forked;                   /* the process or thread that was created last; 0: not known */
        uint64_t forks_usec;               /* CLOCK_MONOTONIC, when that was looked at */
        uint32_t asked_forked;             /* as it was with the search before */

        struct owner_stats stats;
};

/* Does that descriptor of a process lead to that socket, now? Where it is one of those of late, by its directory, and has come
 * to be another process under its number, it is forgotten. */
bool holders_hold(struct socket_holders *holders, uint32_t pid, uint32_t fd, uint64_t inode);

/* A new entry for a socket that has none; NULL where there is no room. */
struct holder *holders_add(struct socket_holders *holders, uint64_t inode);

/* Of those of late: the entry, or NULL. */
struct recent_holder *holders_find_recent(struct socket_holders *holders, uint32_t pid);

/* Makes it the first of them, and returns it. */
struct recent_holder *holders_remember_recent(struct socket_holders *holders, uint32_t pid, uint32_t fd);

void holders_forget_recent(struct socket_holders *holders, uint32_t pid);
void holders_free_recent(struct socket_holders *holders);

/* Sockets have been forgotten that are still there. */
void holders_forget_whole(struct socket_holders *holders);

/* Keeps hold of it by its directory, which it takes; stat is what it says there of itself. */
void holders_hold_on(struct recent_holder *recent, int directory, const struct process_info *stat);

/* As proc_read_last_pid(). */
int holders_read_last_pid(struct socket_holders *holders, uint32_t *ret_pid);

/* Looks whether anything has forked. */
void holders_note_forks(struct socket_holders *holders, uint64_t now_usec);

/* Where nothing has been seen to fork since one of those of late had no children, and all that it holds was read: its `settled`,
 * which is not 0. 0: it is not settled, or recent is NULL. */
uint64_t holders_settled(const struct socket_holders *holders, const struct recent_holder *recent);

/* Enters what the instances of epoll(7) of one of those of late wait for, once for each value of now_usec. It need not be
 * there: who finds one of them sees whether it is. */
void holders_read_targets(struct socket_holders *holders, uint32_t pid, uint64_t now_usec);

/* What holders_on_socket() enters from now on is of this process, and recent what has been known of it; NULL: nothing. */
void holders_begin_reading(struct socket_holders *holders, uint32_t pid, const struct recent_holder *recent);

/* Calls handler for the sockets of a process; holders_on_socket() is one that enters them all. recent as above. Returns as
 * proc_for_each_socket(). */
int holders_read(struct socket_holders *holders, uint32_t pid, const struct recent_holder *recent, socket_handler handler);
int holders_on_socket(uint32_t fd, uint64_t inode, void *userdata);

/* Calls handler for all processes, which is to note each, and forgets those that are gone. Returns as
 * proc_for_each_pid(). */
int holders_list(struct socket_holders *holders, pid_handler handler, uint64_t now_usec);

/* Returns whether the process was known, which it is from now on. */
bool holders_note_pid(struct socket_holders *holders, uint32_t pid);

/* Has its parent, or a child, the socket too? It is shared then. Where it is its own, it has not come from the parent, which
 * is looked at under the same number only. directory is the holder's, who may be another one afterwards, where it has let go
 * of it. Returns how many children it has, as far as they are looked at. */
size_t holders_check_relatives(struct socket_holders *holders, struct holder *holder, int directory, uint32_t parent,
                               uint64_t now_usec);
