/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <string.h>

#include "owner/binding.h"
#include "owner/bound_sockets.h"
#include "owner/closed_sockets.h"
#include "owner/network_namespaces.h"
#include "owner/owner_lookup.h"
#include "owner/sock_diag.h"
#include "owner/socket_holders.h"
#include "util/clock.h"
#include "util/file.h"

/* Sockets on one port that are looked at one by one; with more it is plainly shared. */
#define BOUND_MAX 256

/* Ports of which it is known for the drain under way that just one process has them. */
#define SOLE_PORTS 64u

struct procfs_owner {
        struct sock_diag *diag;
        struct socket_holders *holders;
        struct bound_sockets *bound;
        struct closed_sockets *closed;
        struct network_namespaces *namespaces;  /* NULL: others than ours cannot be entered */
        struct closed_sockets *closed_anywhere; /* with namespaces only */
        struct sock_diag *asked;                /* of the namespace that the question under way is about */
        bool forwards;                          /* as forwards() says, at forwards_usec */
        uint64_t forwards_usec;
        struct owner_stats stats;
        struct {
                struct process_id process;
                uint64_t now_usec;
                uint16_t port, netns;
                uint8_t protocol;
        } sole[SOLE_PORTS];
};

static void procfs_close(void *state) {
        struct procfs_owner *owner = state;

        if (!owner)
                return;
        sock_diag_free(owner->diag);
        socket_holders_free(owner->holders);
        bound_sockets_free(owner->bound);
        closed_sockets_free(owner->closed);
        network_namespaces_free(owner->namespaces);
        closed_sockets_free(owner->closed_anywhere);
        free(owner);
}

static void procfs_closep(struct procfs_owner **owner) {
        procfs_close(*owner);
}

/* Where that is not possible, only what is here is looked up. */
static int open_namespaces(struct procfs_owner *owner, const char *proc_root) {
        int r;

        r = network_namespaces_new(proc_root, &owner->namespaces);
        if (r < 0)
                return r == -ENOMEM ? r : 0;
        r = closed_sockets_new(true, &owner->closed_anywhere);
        if (r < 0) {
                network_namespaces_free(TAKE_PTR(owner->namespaces));
                return r == -ENOMEM ? r : 0;
        }
        return 0;
}

static int procfs_open(const struct owner_config *config, void **ret_state,
                       char ret_why[static OWNER_WHY_MAX]) {
        _cleanup_(procfs_closep) struct procfs_owner *owner = calloc(1, sizeof(*owner));
        int r;

        (void) ret_why; /* the error says it */
        if (!owner)
                return -ENOMEM;
        r = sock_diag_new(&owner->diag);
        if (r < 0)
                return r;
        r = socket_holders_new(config, &owner->holders);
        if (r < 0)
                return r;
        r = bound_sockets_new(config->proc_root, &owner->bound);
        if (r < 0)
                return r;
        r = closed_sockets_new(false, &owner->closed);
        if (r < 0)
                return r;
        r = open_namespaces(owner, config->proc_root);
        if (r < 0)
                return r;

        *ret_state = TAKE_PTR(owner);
        return 0;
}

/* Finds whom to ask about a flow. Returns 1, 0: its namespace cannot be seen; a negative errno, -EAGAIN for
 * later. */
static int address_question(struct procfs_owner *owner, const struct flow_key *key, uint64_t now_usec) {
        owner->asked = owner->diag;
        if (key->netns == 0)
                return 1;
        if (!owner->namespaces)
                return 0;
        return network_namespaces_enter(owner->namespaces, key->netns, &key->local, now_usec, &owner->asked);
}

static int look_up(struct procfs_owner *owner, const struct owner_question *question,
                   struct socket_info *ret_socket) {
        int r;

        owner->stats.lookups++;
        /* the interface is the end here of a pair: its other one is what a socket there is bound to */
        r = sock_diag_find(owner->asked, question->key, question->key->netns == 0 ? question->ifindex : 0,
                           ret_socket);
        if (r < 0)
                owner->stats.netlink_errors++;
        return r;
}

static int count_error(struct procfs_owner *owner, int r) {
        if (r < 0)
                owner->stats.netlink_errors++;
        return r;
}

/* Of UDP, all on the port of that flow. */
static int list_bound(struct procfs_owner *owner, const struct flow_key *key, uint64_t now_usec,
                      struct socket_info *ret_sockets) {
        return count_error(owner, bound_sockets_find(owner->bound, owner->asked, key->netns, key->protocol, key->local_port,
                                                     now_usec, ret_sockets, BOUND_MAX, &owner->stats.lookups));
}

static int list_listening(struct procfs_owner *owner, uint16_t port, struct socket_info *ret_sockets) {
        owner->stats.lookups++;
        return count_error(owner, sock_diag_bound(owner->asked, IPPROTO_TCP, port, 1u << TCP_LISTEN, ret_sockets, BOUND_MAX));
}

static bool could_have(const struct socket_info *socket, const struct flow_key *key) {
        const struct flow_key binding = {.local = socket->local,
                                         .remote = socket->remote,
                                         .local_port = socket->local_port,
                                         .remote_port = socket->remote_port,
                                         .protocol = key->protocol};

        return binding_takes(&binding, socket->ipv6_only, key);
}

static bool known_sole(struct procfs_owner *owner, const struct flow_key *key,
                       const struct process_id *process, uint64_t now_usec) {
        const __typeof__(owner->sole[0]) *sole = &owner->sole[key->local_port % SOLE_PORTS];

        return sole->now_usec == now_usec && sole->port == key->local_port && sole->netns == key->netns &&
               sole->protocol == key->protocol && process_id_equal(&sole->process, process);
}

static void remember_sole(struct procfs_owner *owner, const struct flow_key *key,
                          const struct process_id *process, uint64_t now_usec) {
        __typeof__(owner->sole[0]) *sole = &owner->sole[key->local_port % SOLE_PORTS];

        sole->process = *process;
        sole->now_usec = now_usec;
        sole->port = key->local_port;
        sole->netns = key->netns;
        sole->protocol = key->protocol;
}

/* Of all sockets on its port: OWNER_FOUND, OWNER_SHARED or OWNER_BUSY, see find_others(). */
static enum owner_status weigh_others(struct procfs_owner *owner, const struct flow_key *key, uint64_t inode,
                                      const struct process_id *process, const struct socket_info *sockets, int n,
                                      uint64_t now_usec) {
        enum owner_status status = OWNER_FOUND;
        struct process_id other;
        bool port_is_its = true;

        for (int i = 0; i < n && status == OWNER_FOUND; i++) {
                if (sockets[i].inode == inode)
                        continue;
                if (!could_have(&sockets[i], key)) {
                        port_is_its = false;
                        continue;
                }
                status = socket_holders_find(owner->holders, sockets[i].inode, now_usec, &other);
                if (status != OWNER_BUSY && (status != OWNER_FOUND || !process_id_equal(&other, process)))
                        status = OWNER_SHARED;
        }
        if (status == OWNER_FOUND && port_is_its)
                remember_sole(owner, key, process, now_usec);
        return status;
}

/* The kernel's lookup picks one socket for an incoming packet. With UDP, that may not be the one that sent,
 * or not the only one that got it: with SO_REUSEPORT, with SO_REUSEADDR and multicast (mDNS), with a
 * wildcard beside a specific address, with one that is connected beside one that is not. Returns 0 or a
 * negative errno; *ret_status is OWNER_FOUND when all that could have the flow are held by *process alone,
 * OWNER_SHARED when not, OWNER_BUSY when that cannot be told yet. */
static int find_others(struct procfs_owner *owner, const struct flow_key *key, uint64_t inode,
                       const struct process_id *process, uint64_t now_usec, enum owner_status *ret_status) {
        struct socket_info sockets[BOUND_MAX];
        int n;

        if (known_sole(owner, key, process, now_usec)) {
                *ret_status = OWNER_FOUND;
                return 0;
        }
        n = list_bound(owner, key, now_usec, sockets);
        if (n < 0)
                return n;
        *ret_status = n > BOUND_MAX ? OWNER_SHARED : weigh_others(owner, key, inode, process, sockets, n, now_usec);
        return 0;
}

static int find_udp(struct procfs_owner *owner, const struct flow_key *key, const struct socket_info *socket,
                    uint64_t now_usec, enum owner_status *ret_status, struct owner *ret_owner) {
        enum owner_status status;

        status = socket_holders_find(owner->holders, socket->inode, now_usec, &ret_owner->process);
        if (status == OWNER_FOUND)
                return find_others(owner, key, socket->inode, &ret_owner->process, now_usec, ret_status);
        *ret_status = status;
        return 0;
}

/* Who listens where this connection came in, if just one process does. */
static int find_listener(struct procfs_owner *owner, const struct flow_key *key, uint64_t now_usec,
                         struct owner *ret_owner) {
        struct process_id process, listener = {};
        struct socket_info sockets[BOUND_MAX];
        int n;

        n = list_listening(owner, key->local_port, sockets);
        if (n < 0)
                return n;
        if (n > BOUND_MAX)
                return 0;
        for (int i = 0; i < n; i++) {
                if (!could_have(&sockets[i], key))
                        continue;
                if (socket_holders_find(owner->holders, sockets[i].inode, now_usec, &process) != OWNER_FOUND)
                        return 0;
                if (listener.pid != 0 && !process_id_equal(&listener, &process))
                        return 0;
                listener = process;
        }
        ret_owner->process = listener;
        return 0;
}

/* ip-sysctl of the kernel's documentation */
static bool is_on(const char *path) {
        char text[8] = "";

        return read_record_at(AT_FDCWD, path, text, sizeof(text) - 1) > 0 && text[0] != '0';
}

/* Does this host send packets of others on, so that NAT may have led a connection elsewhere? Looked at once
 * a drain. */
static bool forwards(struct procfs_owner *owner, uint64_t now_usec) {
        if (owner->forwards_usec != now_usec)
                owner->forwards = is_on("/proc/sys/net/ipv4/ip_forward") ||
                                  is_on("/proc/sys/net/ipv6/conf/all/forwarding");
        owner->forwards_usec = now_usec;
        return owner->forwards;
}

static int find_tcp(struct procfs_owner *owner, const struct flow_key *key, const struct socket_info *socket,
                    uint64_t now_usec, enum owner_status *ret_status, struct owner *ret_owner) {
        int r;

        switch (socket->state) {
        case TCP_TIME_WAIT:
                *ret_status = OWNER_NO_SOCKET;
                return 0;
        case TCP_FIN_WAIT1:
        case TCP_FIN_WAIT2:
        case TCP_CLOSING:
        case TCP_LAST_ACK:
                if (socket->inode == 0) { /* closed by its owner, the kernel finishes */
                        *ret_status = OWNER_NO_SOCKET;
                        return 0;
                }
                break;
        default:
                if (socket->inode != 0 && socket->state != TCP_LISTEN)
                        break;
                if (socket->state == TCP_LISTEN && forwards(owner, now_usec)) { /* never ours, it may be */
                        *ret_status = OWNER_NO_SOCKET;
                        return 0;
                }
                r = find_listener(owner, key, now_usec, ret_owner);
                if (r < 0)
                        return r;
                *ret_status = OWNER_UNACCEPTED;
                return 0;
        }
        *ret_status = socket_holders_find(owner->holders, socket->inode, now_usec, &ret_owner->process);
        return 0;
}

static int procfs_find(void *state, const struct owner_question *question, uint64_t now_usec,
                       enum owner_status *ret_status, struct owner *ret_owner) {
        const struct flow_key *key = question->key;
        struct procfs_owner *owner = state;
        struct socket_info socket;
        int r;

        if (!sock_diag_supports(key->protocol)) {
                *ret_status = OWNER_NO_LOOKUP;
                return 0;
        }
        r = address_question(owner, key, now_usec);
        if (r == -EAGAIN) {
                *ret_status = OWNER_BUSY;
                return 0;
        }
        if (r > 0)
                r = look_up(owner, question, &socket);
        if (r < 0)
                return r;
        if (r == 0) {
                *ret_status = OWNER_NO_SOCKET;
                return 0;
        }
        *ret_owner = (struct owner){.cookie = socket.cookie, .inode = socket.inode, .uid = socket.uid};
        if (key->protocol == IPPROTO_TCP)
                return find_tcp(owner, key, &socket, now_usec, ret_status, ret_owner);
        return find_udp(owner, key, &socket, now_usec, ret_status, ret_owner);
}

/* Has it still what has that flow, and nobody else? Returns as procfs_confirm(). */
static int confirm_socket(struct procfs_owner *owner, const struct owner_question *question, const struct owner *found) {
        struct socket_info socket;
        int r;

        r = look_up(owner, question, &socket);
        return r <= 0 ? r : socket.cookie == found->cookie;
}

/* Does binding_takes() say of it what the kernel would? That knows of no device, and not what a socket has that is connected
 * to port 0. */
static bool is_plain(const struct socket_info *socket) {
        return socket->ifindex == 0 && (socket->remote_port != 0 || address_is_unspecified(&socket->remote));
}

/* Is that the only one of them that could have the flow, beyond doubt? */
static bool is_the_only_one(const struct socket_info *sockets, int n, uint64_t cookie, const struct flow_key *key) {
        const struct socket_info *only = NULL;

        for (int i = 0; i < n; i++) {
                if (!is_plain(&sockets[i]))
                        return false;
                if (!could_have(&sockets[i], key))
                        continue;
                if (only)
                        return false;
                only = &sockets[i];
        }
        return only && only->cookie == cookie;
}

/* All sockets on the port tell whether another one could have the flow; where only one can, that it is the socket, too. */
static int confirm_udp(struct procfs_owner *owner, const struct owner_question *question, const struct owner *found,
                       uint64_t now_usec) {
        const struct flow_key *key = question->key;
        struct socket_info sockets[BOUND_MAX];
        int n, r;

        if (known_sole(owner, key, &found->process, now_usec))
                return confirm_socket(owner, question, found);
        n = list_bound(owner, key, now_usec, sockets);
        if (n < 0 || n > BOUND_MAX)
                return MIN(n, 0);
        if (!is_the_only_one(sockets, n, found->cookie, key)) {
                r = confirm_socket(owner, question, found);
                if (r <= 0)
                        return r;
        }
        return weigh_others(owner, key, found->inode, &found->process, sockets, n, now_usec) == OWNER_FOUND;
}

static int procfs_confirm(void *state, const struct owner_question *question, const struct owner *found,
                          uint64_t now_usec) {
        struct procfs_owner *owner = state;
        int r;

        if (!socket_holders_confirm(owner->holders, found->inode, &found->process, now_usec))
                return 0;
        if (question->key->protocol ==
            IPPROTO_TCP) /* a connection keeps its tuple as long as it has its socket */
                return 1;
        r = address_question(owner, question->key, now_usec);
        return r <= 0 ? r : confirm_udp(owner, question, found, now_usec);
}

static void procfs_update(void *state) {
        struct procfs_owner *owner = state;

        if (closed_sockets_update(owner->closed, clock_usec(CLOCK_MONOTONIC)) < 0)
                owner->stats.netlink_errors++;
        if (owner->closed_anywhere &&
            closed_sockets_update(owner->closed_anywhere, clock_usec(CLOCK_MONOTONIC)) < 0)
                owner->stats.netlink_errors++;
}

static void procfs_rest(void *state) {
        struct procfs_owner *owner = state;

        if (owner->namespaces)
                network_namespaces_leave(owner->namespaces);
}

static bool procfs_contested(const void *state, const struct owner_question *question, uint64_t cookie) {
        const struct procfs_owner *owner = state;
        const struct closed_sockets *closed =
                question->key->netns == 0 ? owner->closed : owner->closed_anywhere;

        return question->key->protocol == IPPROTO_UDP && closed &&
               closed_sockets_since(closed, question->key->local_port, cookie,
                                    question->since_usec - clock_real_offset_usec());
}

static void procfs_stats(const void *state, struct owner_stats *ret_stats) {
        const struct procfs_owner *owner = state;

        *ret_stats = owner->stats;
        socket_holders_stats(owner->holders, ret_stats);
}

const struct owner_ops owner_procfs = {
        .name = "procfs",
        .open = procfs_open,
        .close = procfs_close,
        .find = procfs_find,
        .confirm = procfs_confirm,
        .update = procfs_update,
        .contested = procfs_contested,
        .rest = procfs_rest,
        .stats = procfs_stats,
        .too_late = true,
};
