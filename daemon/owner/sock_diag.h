/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "model/flow_key.h"
#include "util/macros.h"

/* What the kernel says of one socket: sock_diag(7), struct inet_diag_msg. */
struct socket_info {
        uint64_t cookie;
        uint64_t inode; /* 0: nobody has it (not accepted yet, or closed) */
        uid_t uid;
        uint32_t ifindex;       /* of the device it is bound to; 0: to none */
        struct in6_addr local;  /* v4-mapped for IPv4 */
        struct in6_addr remote; /* unspecified while unconnected */
        uint16_t local_port, remote_port;
        uint8_t state;  /* TCP_* of netinet/tcp.h; UDP has TCP_CLOSE while unconnected */
        bool ipv6_only; /* takes no IPv4 */
};

/* A connection to the kernel's socket diagnosis. */
struct sock_diag;

/* Returns 0 or a negative errno. */
int sock_diag_new(struct sock_diag **ret_diag);

/* The same over a netlink(7) socket that was opened in another network namespace, and is never opened anew:
 * after an error, all that is asked fails with -ENOTCONN. Takes the descriptor over, in any case. */
int sock_diag_new_on(int fd, struct sock_diag **ret_diag);

void sock_diag_free(struct sock_diag *diag);
DEFINE_CLEANUP(struct sock_diag *, sock_diag_free)

/* Can sockets of this protocol be looked up? */
bool sock_diag_supports(uint8_t protocol);

/* The socket that a packet of this flow belongs to, found as the kernel finds it for an incoming one:
 * wildcards, dual-stack sockets and, for TCP, the listener where no connection has the flow. Returns 1 with
 * *ret_socket, 0 when there is none, or a negative errno; after one the connection is made anew with the
 * next call. */
int sock_diag_find(struct sock_diag *diag, const struct flow_key *key, uint32_t ifindex,
                   struct socket_info *ret_socket);

#define SOCK_DIAG_MANY 16u

/* One question of several, and what comes of it: as sock_diag_find(). */
struct sock_diag_question {
        const struct flow_key *key;
        uint32_t ifindex;
        int result;
        struct socket_info socket;
};

/* The same for n of them, at most SOCK_DIAG_MANY, in two system calls. */
void sock_diag_find_many(struct sock_diag *diag, struct sock_diag_question *questions, size_t n);

/* All sockets bound to a local port (0: to any), of both IP versions, whose state is one of states (bits 1 << TCP_*). At
 * most max are stored. Returns how many there are, which may be more, or a negative errno. */
int sock_diag_bound(struct sock_diag *diag, uint8_t protocol, uint16_t port, uint32_t states,
                    struct socket_info *ret_sockets, size_t max);

/* Reads one answer. length bytes are a whole inet_diag_msg with its attributes. Returns 0 or -EBADMSG. */
int parse_inet_diag(const void *message, size_t length, struct socket_info *ret_socket);
