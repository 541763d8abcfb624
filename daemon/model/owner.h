/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "model/process.h"

/* How an owner lookup ended. All of these are expected; what cannot go on is a negative errno instead. */
enum owner_status {
        OWNER_FOUND,      /* exactly one process holds the socket */
        OWNER_NO_SOCKET,  /* no socket has this flow */
        OWNER_NO_PROCESS, /* a socket has it, but no process that we can see holds it */
        OWNER_UNACCEPTED, /* a connection that its server has not accept(2)ed yet, or one that is over and
                           * was a server's: the process is the one that listens, where that is exactly one
                           */
        OWNER_SHARED,     /* several processes hold the socket, or several sockets could be meant */
        OWNER_BUSY,       /* the answer takes a /proc scan that is not due yet: ask again */
        OWNER_NO_LOOKUP,  /* sockets of this transport cannot be looked up */
};

/* What is known without asking anybody, of packets that have passed. */
enum owner_recall {
        OWNER_RECALL_UNKNOWN, /* nothing: ask */
        OWNER_RECALL_FOUND,   /* they are this process's, whatever has become of the socket since */
        OWNER_RECALL_SHARED,  /* they may be those of several */
        OWNER_RECALL_UNUSED,  /* nobody has used their socket yet, or that is still to be told: in a moment */
};

/* A process as it was when it had a socket, for what /proc does not tell any more. */
struct socket_user {
        struct process_id id;        /* pid 0: nobody */
        char name[PROCESS_NAME_MAX]; /* comm of the thread group leader; "": nothing but the id is known */
        uid_t uid;                   /* effective */
        uint64_t cgroup_id;          /* inode number of its directory in the cgroup2 hierarchy */
};

/* A socket and who holds it. */
struct owner {
        struct process_id process; /* with OWNER_FOUND and OWNER_UNACCEPTED; pid 0: none */
        uint64_t cookie; /* of the socket: unique while the system runs (sock_diag(7)); 0: unknown */
        uint64_t inode;  /* of the socket in sockfs; 0: none (not accepted, or TIME_WAIT) */
        uid_t uid;       /* of the socket */

        /* with OWNER_RECALL_FOUND only: */
        struct socket_user user; /* that is the process */
        const char *cgroup;      /* path of its cgroup, good until the lookup is next used; NULL: not known */
};
