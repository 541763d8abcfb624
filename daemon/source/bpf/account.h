/* SPDX-License-Identifier: MIT */
#pragma once

/* What the programs in the kernel and the source in user space share. Fixed-width types of linux/types.h, no
 * hidden padding. */
#include <linux/types.h>

/* A process in one word, which can be stored at once: start time, pid, and how sure it is.
 *
 *   63 … 24  start time, in clock ticks since boot, as field 22 of /proc/PID/stat (proc(5)): 348 years
 *   23 …  2  pid (PID_MAX_LIMIT is 2^22)
 *    1 …  0  enum account_state
 *
 * A key of the table of processes has 0 in the last bits, or is one of the two that stand for no process. */
enum account_state {
        ACCOUNT_OPEN = 0,    /* nobody has used the socket yet; the process, if any, is who made it or who
                              * listens */
        ACCOUNT_SETTLED = 1, /* the process uses the socket */
        ACCOUNT_KERNEL = 2,  /* a socket of the kernel itself */
};
#define ACCOUNT_STATE_MASK  3ULL
#define ACCOUNT_PID_SHIFT   2
#define ACCOUNT_PID_MASK    ((1ULL << 22) - 1)
#define ACCOUNT_TICKS_SHIFT 24

#define ACCOUNT_KEY_KERNEL   2ULL /* what the kernel's own sockets moved */
#define ACCOUNT_KEY_OVERFLOW 3ULL /* what no entry could be had for */

/* What is counted apart, as an index: direction, protocol, IP version, loopback interface or not. */
enum account_protocol {
        ACCOUNT_TCP,
        ACCOUNT_UDP,
        ACCOUNT_OTHER,
        ACCOUNT_PROTOCOLS,
};
#define ACCOUNT_OUT      1u
#define ACCOUNT_IPV6     2u
#define ACCOUNT_LOOPBACK 4u
#define ACCOUNT_WAYS     8u /* of one socket, which is of one protocol */
#define ACCOUNT_CELLS    (ACCOUNT_WAYS * ACCOUNT_PROTOCOLS)
#define ACCOUNT_CELL(protocol, way) ((protocol) * ACCOUNT_WAYS + (way))

/* Running totals, at the IP layer; packets as they were or would be on the wire, modulo 2^32. */
struct account_counters {
        __u64 bytes[ACCOUNT_CELLS];
        __u32 packets[ACCOUNT_CELLS];
};

/* A process. One bank counts even and the other one odd seconds, so that what is read a little after a second
 * has closed is known to be that second's, or the next one's. */
struct account_process {
        struct account_counters banks[2];
        __u64 cgroup_id; /* inode number of its directory in the cgroup2 hierarchy; 0: unknown */
        __u32 uid;       /* effective */
        __u32 exited;    /* 1: all of its threads have */
        char name[16];   /* of the thread group leader; "": not seen yet */
};

/* Where a process is in the cgroup2 hierarchy, told when it is there: the directory is gone as soon as the last
 * process of a service is. The names of the path from the innermost one up, each ended by NUL. */
#define ACCOUNT_CGROUP_NAME  256u /* NAME_MAX and a NUL */
#define ACCOUNT_CGROUP_NAMES 512u
#define ACCOUNT_CGROUP_DEPTH 16u
struct account_cgroup {
        __u64 since_nsec; /* CLOCK_MONOTONIC */
        __u32 length;     /* of names; ACCOUNT_CGROUP_NAMES: they are more than fit. Set last; 0: not yet */
        __u32 padding;
        char names[ACCOUNT_CGROUP_NAMES + ACCOUNT_CGROUP_NAME];
};

/* A socket, in its storage. */
struct account_socket {
        __u64 owner;      /* as above; 0: nothing is known */
        __u64 listener;   /* cookie of the listening socket that this is or was accepted from; 0: none */
        __u64 since_nsec; /* CLOCK_MONOTONIC: the first of what is pending came then; 0: none has */
        __u64 pending_bytes[ACCOUNT_WAYS];
        __u32 pending_packets[ACCOUNT_WAYS];
};

/* A connection that has not been established yet is packets of the listening socket: they are kept by the
 * connection's other end until it is. */
struct account_handshake_key {
        __u64 listener;
        __u32 local[4], remote[4]; /* network order; an IPv4 address is the last word, the others are 0 */
        __u16 remote_port;         /* network order */
        __u16 padding[3];
};

#define ACCOUNT_HANDSHAKES_MAX 16384u
struct account_handshake {
        __u64 owner; /* who listens */
        __u64 since_nsec;
        __u64 bytes[2]; /* in, out */
        __u32 packets[2];
        __u32 way; /* ACCOUNT_IPV6, ACCOUNT_LOOPBACK */
        __u32 padding;
};

/* Sockets with storage. It is our memory, and goes with the socket, which nobody tells: they are counted now and
 * then, and those that were given storage since are added. */
struct account_room {
        __u64 sockets;
        __u64 max_sockets;
        __u64 counted; /* by settle_idle() */
};

/* Bytes that wait for their owner, in sockets and handshakes. */
struct account_gauge {
        __u64 pending;      /* all */
        __u64 pending_idle; /* the part that an owner is chosen for after a while: not TCP's */
};
