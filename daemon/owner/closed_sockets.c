/* SPDX-License-Identifier: MIT */
#include "owner/closed_sockets.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

/* Each broadcast takes about a kilobyte of it while it waits: two thousand sockets between two drains (the
 * kernel doubles it). */
#define RECEIVE_BYTES (1 << 20)

/* Bytes of one broadcast: the message and a few attributes. */
#define MESSAGE_BYTES 4096

#define N_PORTS 65536u

/* The last two that were closed on a port, as far as they differ. */
struct port {
        uint64_t cookie;     /* of the last one */
        uint64_t last_usec;  /* 0: never */
        uint64_t other_usec; /* of the last one before it that had another cookie; 0: never */
};

struct closed_sockets {
        struct mnl_socket *socket;
        uint64_t lost_usec; /* when broadcasts were lost last; 0: never */
        struct port *ports; /* by number; a page is only taken where a socket was closed */
        char buffer[MESSAGE_BYTES] __attribute__((aligned(8)));
};

static int subscribe(struct mnl_socket *socket, bool everywhere) {
        static const unsigned groups[] = {SKNLGRP_INET_UDP_DESTROY, SKNLGRP_INET6_UDP_DESTROY};
        int fd = mnl_socket_get_fd(socket), bytes = RECEIVE_BYTES, yes = 1;

        if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
                return -errno;
        /* beyond net.core.rmem_max takes CAP_NET_ADMIN; with less of it, more may be lost, which is noticed
         */
        if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
                (void) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
        if (everywhere && mnl_socket_setsockopt(socket, NETLINK_LISTEN_ALL_NSID, &yes, sizeof(yes)) < 0)
                return -errno;
        for (size_t i = 0; i < ELEMENTSOF(groups); i++)
                if (mnl_socket_setsockopt(socket, NETLINK_ADD_MEMBERSHIP, (void *) &groups[i],
                                          sizeof(groups[i])) < 0)
                        return -errno;
        return 0;
}

int closed_sockets_new(bool everywhere, struct closed_sockets **ret_closed) {
        _cleanup_(closed_sockets_freep) struct closed_sockets *closed = calloc(1, sizeof(*closed));
        int r;

        if (!closed)
                return -ENOMEM;
        closed->ports = calloc(N_PORTS, sizeof(*closed->ports));
        if (!closed->ports)
                return -ENOMEM;
        closed->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (!closed->socket)
                return -errno;
        r = subscribe(closed->socket, everywhere);
        if (r < 0)
                return r;

        *ret_closed = TAKE_PTR(closed);
        return 0;
}

void closed_sockets_free(struct closed_sockets *closed) {
        if (!closed)
                return;
        if (closed->socket)
                mnl_socket_close(closed->socket);
        free(closed->ports);
        free(closed);
}

static void remember(struct closed_sockets *closed, const struct socket_info *socket, uint64_t now_usec) {
        struct port *port = &closed->ports[socket->local_port];

        if (port->cookie != socket->cookie)
                port->other_usec = port->last_usec;
        port->cookie = socket->cookie;
        port->last_usec = now_usec;
}

static void read_messages(struct closed_sockets *closed, size_t length, uint64_t now_usec) {
        const struct nlmsghdr *message = (const struct nlmsghdr *) (const void *) closed->buffer;
        int left = (int) length;

        for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
                struct socket_info socket;

                if (message->nlmsg_type == SOCK_DIAG_BY_FAMILY &&
                    parse_inet_diag(mnl_nlmsg_get_payload(message), mnl_nlmsg_get_payload_len(message),
                                    &socket) >= 0)
                        remember(closed, &socket, now_usec);
        }
}

int closed_sockets_update(struct closed_sockets *closed, uint64_t now_usec) {
        int result = 0;

        for (;;) {
                ssize_t n = mnl_socket_recvfrom(closed->socket, closed->buffer, sizeof(closed->buffer));

                if (n >= 0) {
                        read_messages(closed, (size_t) n, now_usec);
                        continue;
                }
                if (errno == EINTR)
                        continue;
                if (errno == EAGAIN)
                        return result;
                /* told once, and reading goes on behind the gap: netlink(7), ENOBUFS; ENOSPC: it did not fit
                 */
                result = -errno;
                closed->lost_usec = now_usec;
                if (errno != ENOBUFS && errno != ENOSPC)
                        return result;
        }
}

bool closed_sockets_since(const struct closed_sockets *closed, uint16_t port_number, uint64_t cookie,
                          uint64_t since_usec) {
        const struct port *port = &closed->ports[port_number];
        uint64_t last_usec = port->cookie == cookie ? port->other_usec : port->last_usec;

        return (last_usec > 0 && last_usec >= since_usec) ||
               (closed->lost_usec > 0 && closed->lost_usec >= since_usec);
}
