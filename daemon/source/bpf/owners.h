/* SPDX-License-Identifier: MIT */
#pragma once

/* What the programs that tell of sockets' owners and the owner lookup share. Fixed-width types of linux/types.h,
 * no hidden padding. Processes are in one word, as account.h says. */
#include <linux/types.h>

enum owner_event_kind {
        OWNER_EVENT_SOCKET, /* is there, and nobody has used it yet: bound, or a connection that came in */
        OWNER_EVENT_USED,   /* from now on it is this process that uses it */
        OWNER_EVENT_MANY,   /* so many processes have by turns that nobody is told of any more */
        OWNER_EVENT_CLOSED, /* by its last holder, which is who had it if nobody has used it */
        OWNER_EVENT_HELD,   /* is there, and this process has a descriptor of it; one for each that has */
};

#define OWNER_EVENT_INCOMING  1u /* a connection, of which a SYN came in */
#define OWNER_EVENT_IPV6_ONLY 2u

struct owner_event {
        __u64 time_nsec; /* CLOCK_MONOTONIC */
        __u64 cookie;    /* of the socket */
        __u64 process;   /* 0: none */
        __u64 cgroup_id; /* of the process: inode number of its directory in the cgroup2 hierarchy */
        __u32 local[4], remote[4];     /* network order, v4-mapped for IPv4; 0: not bound, not connected */
        __u16 local_port, remote_port; /* host order */
        __u8 protocol;                 /* IPPROTO_TCP, IPPROTO_UDP */
        __u8 kind;                     /* enum owner_event_kind */
        __u8 flags;
        __u8 padding;
        __u32 uid;     /* of the process, effective */
        char name[16]; /* of its thread group leader; "": neither uid nor cgroup are known */
        __u32 padding_end;
};

enum owner_socket_whose {
        OWNER_SOCKET_NEW,
        OWNER_SOCKET_OURS,
        OWNER_SOCKET_NOT_OURS, /* nothing is told of it */
};

/* A socket, in its storage: what was told of it last. */
struct owner_socket {
        __u64 owner;     /* process, in its last bits enum account_state; 0: none */
        __u32 addresses; /* both, folded */
        __u16 local_port, remote_port;
        __u32 epoch;
        __u16 changes; /* of the owner */
        __u8 whose;    /* enum owner_socket_whose */
        __u8 closed;
};
