/* SPDX-License-Identifier: MIT */
#pragma once

#include "owner/proc_file.h"
#include "owner/socket_holders.h"
#include "util/clock.h"
#include "util/hash_table.h"

/* What socket_holders.c and young_holders.c share. */

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
        bool own;      /* all sockets of its holder had been read before, without it: it was not inherited */
};

/* A process that was seen to have a socket of late. */
struct recent_holder {
        uint32_t pid, fd;     /* where it held a socket last */
        uint64_t start_ticks; /* 0: not known */
        bool whole;           /* all that it holds have been read, and are remembered as long as they are there */
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
        uint32_t reading;     /* pid whose descriptors are being read */
        uint32_t parent;      /* read last for its child's sake, */
        uint64_t parent_usec; /* and when: once is enough for all its children */

        /* young_holders.c */
        uint64_t met_usec, meet_cost_usec; /* socket_holders_meet() */
        uint32_t turn;                     /* cursor over pids */
        uint32_t n_sockets, n_unseen;      /* of the process that is being read; and how many of these were not known */
        bool was_whole, lacks_room;        /* that process, before; for all that it has */
        uint32_t whole;                    /* the one that was read to its end last, in the search under way; 0: none */

        struct owner_stats stats;
};

/* Does that descriptor of a process lead to that socket, now? */
bool holders_hold(struct socket_holders *holders, uint32_t pid, uint32_t fd, uint64_t inode);

/* A new entry for a socket that has none; NULL where there is no room. */
struct holder *holders_add(struct socket_holders *holders, uint64_t inode);

/* The entry, where its holder still has it; NULL. */
struct holder *holders_find_valid(struct socket_holders *holders, uint64_t inode);

/* Sockets have been forgotten that are still there. */
void holders_forget_whole(struct socket_holders *holders);

/* Makes it the first of those of late, and returns it. */
struct recent_holder *holders_remember_recent(struct socket_holders *holders, uint32_t pid, uint32_t fd);

/* Calls handler for the sockets of a process; holders_on_socket() is one that enters them all. Returns as
 * proc_for_each_socket(). */
int holders_read(struct socket_holders *holders, uint32_t pid, socket_handler handler);
int holders_on_socket(uint32_t fd, uint64_t inode, void *userdata);

/* Calls handler for all processes, which is to note each, and forgets those that are gone. Returns as
 * proc_for_each_pid(). */
int holders_list(struct socket_holders *holders, pid_handler handler, uint64_t now_usec);

/* Returns whether the process was known, which it is from now on. */
bool holders_note_pid(struct socket_holders *holders, uint32_t pid);

/* Has its parent, or a child, the socket too? It is shared then. Where it is its own, it has not come from the parent, which
 * is looked at under the same number only. */
void holders_check_relatives(struct socket_holders *holders, struct holder *holder, uint64_t now_usec);

/* What an entry that is valid comes to: is it its holder's alone, and who is that? */
enum owner_status holders_answer(struct socket_holders *holders, struct holder *holder, uint64_t now_usec,
                                 struct process_info *ret_info);
