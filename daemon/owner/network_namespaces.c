/* SPDX-License-Identifier: MIT */
#include "owner/network_namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/net_namespace.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "owner/netns_socket.h"
#include "owner/proc_file.h"
#include "util/clock.h"

/* Bounds: namespaces that are known at a time, processes that lead to each, those entered for the questions
 * of one drain, and the addresses of each. What is beyond has no owner. */
#define KNOWN_MAX     512u
#define PIDS_MAX      4u
#define ENTERED_MAX   64u
#define ADDRESSES_MAX 128u

/* Looking for the namespaces of all processes takes some 3 µs each: at most once in so long, and a fiftieth
 * of the time. */
#define SCAN_USEC  (50 * USEC_PER_MSEC)
#define SCAN_SHARE 50u

#define MESSAGE_BYTES 32768

struct known {
        ino_t inode;    /* of /proc/PID/ns/net */
        uint16_t netns; /* 0: there is no id for it here, so that no veth of ours leads to it */
        uint32_t pids[PIDS_MAX];
        size_t n_pids;
};

struct entered {
        uint16_t netns;
        struct sock_diag *diag; /* NULL: it could not be */
        struct in6_addr addresses[ADDRESSES_MAX];
        size_t n_addresses;
};

struct network_namespaces {
        const char *proc_root;
        struct mnl_socket *route; /* here: knows the ids of others */
        ino_t own;
        struct known known[KNOWN_MAX];
        size_t n_known;
        struct entered entered[ENTERED_MAX];
        size_t n_entered;
        uint64_t scanned_usec, scan_cost_usec; /* 0: never */
        char buffer[MESSAGE_BYTES] __attribute__((aligned(8)));
};

static int open_netns(const char *proc_root, uint32_t pid) {
        char path[256];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%u/ns/net", proc_root, pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int network_namespaces_new(const char *proc_root, struct network_namespaces **ret_namespaces) {
        _cleanup_(network_namespaces_freep) struct network_namespaces *namespaces = NULL;
        struct stat own;
        int r;

        r = netns_check();
        if (r < 0)
                return r;
        namespaces = calloc(1, sizeof(*namespaces));
        if (!namespaces)
                return -ENOMEM;
        namespaces->proc_root = proc_root;
        if (stat("/proc/self/ns/net", &own) < 0)
                return -errno;
        namespaces->own = own.st_ino;
        namespaces->route = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (!namespaces->route || mnl_socket_bind(namespaces->route, 0, MNL_SOCKET_AUTOPID) < 0)
                return -errno;

        *ret_namespaces = TAKE_PTR(namespaces);
        return 0;
}

void network_namespaces_free(struct network_namespaces *namespaces) {
        if (!namespaces)
                return;
        network_namespaces_leave(namespaces);
        if (namespaces->route)
                mnl_socket_close(namespaces->route);
        free(namespaces);
}

void network_namespaces_leave(struct network_namespaces *namespaces) {
        for (size_t i = 0; i < namespaces->n_entered; i++)
                sock_diag_free(TAKE_PTR(namespaces->entered[i].diag));
        namespaces->n_entered = 0;
}

/* --- which processes lead where ---------------------------------------------------------------- */

static int on_id(const struct nlmsghdr *message, void *userdata) {
        const struct nlattr *attribute;
        uint16_t *ret_netns = userdata;

        if (message->nlmsg_type != RTM_NEWNSID ||
            mnl_nlmsg_get_payload_len(message) < sizeof(struct rtgenmsg))
                return MNL_CB_OK;
        mnl_attr_for_each(attribute, message, sizeof(struct rtgenmsg)) {
                uint32_t id;

                if (mnl_attr_get_type(attribute) != NETNSA_NSID ||
                    mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
                        continue;
                id = mnl_attr_get_u32(attribute);
                *ret_netns = id < UINT16_MAX ? (uint16_t) (id + 1) : 0; /* NETNSA_NSID_NOT_ASSIGNED is -1 */
        }
        return MNL_CB_OK;
}

/* The number that this namespace has for the one behind fd; 0: none. The kernel answers within sendmsg(2).
 */
static uint16_t number_of(struct network_namespaces *namespaces, int fd) {
        struct nlmsghdr *message = mnl_nlmsg_put_header(namespaces->buffer);
        struct rtgenmsg *request;
        uint16_t netns = 0;
        ssize_t n;

        message->nlmsg_type = RTM_GETNSID;
        message->nlmsg_flags = NLM_F_REQUEST;
        request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
        request->rtgen_family = AF_UNSPEC;
        mnl_attr_put_u32(message, NETNSA_FD, (uint32_t) fd);
        if (mnl_socket_sendto(namespaces->route, message, message->nlmsg_len) < 0)
                return 0;
        n = mnl_socket_recvfrom(namespaces->route, namespaces->buffer, sizeof(namespaces->buffer));
        if (n < 0 || mnl_cb_run(namespaces->buffer, (size_t) n, 0, 0, on_id, &netns) < 0)
                return 0;
        return netns;
}

static struct known *find_inode(struct network_namespaces *namespaces, ino_t inode) {
        for (size_t i = 0; i < namespaces->n_known; i++)
                if (namespaces->known[i].inode == inode)
                        return &namespaces->known[i];
        return NULL;
}

static struct known *find_known(struct network_namespaces *namespaces, uint16_t netns) {
        for (size_t i = 0; i < namespaces->n_known; i++)
                if (namespaces->known[i].netns == netns)
                        return &namespaces->known[i];
        return NULL;
}

static struct known *add_known(struct network_namespaces *namespaces, ino_t inode, uint32_t pid) {
        _cleanup_close_ int fd = open_netns(namespaces->proc_root, pid);
        struct known *known;

        if (fd < 0 || namespaces->n_known == KNOWN_MAX)
                return NULL;
        known = &namespaces->known[namespaces->n_known++];
        *known = (struct known){.inode = inode, .netns = number_of(namespaces, fd)};
        return known;
}

static int on_pid(uint32_t pid, void *userdata) {
        struct network_namespaces *namespaces = userdata;
        struct known *known;
        struct stat netns;
        char path[256];

        (void) snprintf(path, sizeof(path), "%s/%u/ns/net", namespaces->proc_root, pid);
        if (stat(path, &netns) < 0 || netns.st_ino == namespaces->own)
                return 0;
        known = find_inode(namespaces, netns.st_ino) ?: add_known(namespaces, netns.st_ino, pid);
        if (known && known->n_pids < PIDS_MAX)
                known->pids[known->n_pids++] = pid;
        return 0;
}

static void scan(struct network_namespaces *namespaces, uint64_t now_usec) {
        uint64_t begin = clock_usec(CLOCK_THREAD_CPUTIME_ID);

        namespaces->n_known = 0;
        (void) proc_for_each_pid(namespaces->proc_root, on_pid, namespaces);
        namespaces->scanned_usec = now_usec;
        namespaces->scan_cost_usec = clock_usec(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static bool scan_is_due(const struct network_namespaces *namespaces, uint64_t now_usec) {
        return namespaces->scanned_usec == 0 ||
               now_usec - namespaces->scanned_usec >=
                       MAX(SCAN_USEC, namespaces->scan_cost_usec * SCAN_SHARE);
}

/* By one of the processes that were in it: they may be gone, their pids others', and the id another
 * namespace's. While the descriptor is open neither changes. Returns it, or -ENOENT. */
static int open_known(struct network_namespaces *namespaces, uint16_t netns) {
        const struct known *known = find_known(namespaces, netns);

        for (size_t i = 0; known && i < known->n_pids; i++) {
                _cleanup_close_ int fd = open_netns(namespaces->proc_root, known->pids[i]);

                if (fd >= 0 && number_of(namespaces, fd) == netns)
                        return TAKE_FD(fd);
        }
        return -ENOENT;
}

/* Returns a descriptor, -ENOENT, or -EAGAIN: it takes a scan that is not due yet. */
static int open_number(struct network_namespaces *namespaces, uint16_t netns, uint64_t now_usec) {
        int fd = open_known(namespaces, netns);

        if (fd >= 0 || namespaces->scanned_usec == now_usec)
                return fd;
        if (!scan_is_due(namespaces, now_usec))
                return -EAGAIN;
        scan(namespaces, now_usec);
        return open_known(namespaces, netns);
}

/* --- what is in one ---------------------------------------------------------------- */

static void add_address(struct entered *entered, const struct nlattr *attribute) {
        struct in6_addr address = {};

        if (entered->n_addresses == ADDRESSES_MAX)
                return;
        if (mnl_attr_get_payload_len(attribute) == 4) {
                address.s6_addr[10] = address.s6_addr[11] = 0xff;
                memcpy(address.s6_addr + 12, mnl_attr_get_payload(attribute), 4);
        } else if (mnl_attr_get_payload_len(attribute) == sizeof(address))
                memcpy(&address, mnl_attr_get_payload(attribute), sizeof(address));
        else
                return;
        entered->addresses[entered->n_addresses++] = address;
}

static int on_address(const struct nlmsghdr *message, void *userdata) {
        const struct nlattr *attribute, *local = NULL, *address = NULL;
        struct entered *entered = userdata;

        if (message->nlmsg_type != RTM_NEWADDR ||
            mnl_nlmsg_get_payload_len(message) < sizeof(struct ifaddrmsg))
                return MNL_CB_OK;
        /* On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL its own: linux/if_addr.h. */
        mnl_attr_for_each(attribute, message, sizeof(struct ifaddrmsg)) {
                if (mnl_attr_get_type(attribute) == IFA_LOCAL)
                        local = attribute;
                else if (mnl_attr_get_type(attribute) == IFA_ADDRESS)
                        address = attribute;
        }
        if (local || address)
                add_address(entered, local ?: address);
        return MNL_CB_OK;
}

/* A dump goes on with each recvmsg(2), and never waits. */
static int read_addresses(struct network_namespaces *namespaces, int fd, struct entered *entered) {
        struct nlmsghdr *message = mnl_nlmsg_put_header(namespaces->buffer);
        struct rtgenmsg *request;
        ssize_t n;
        int r;

        message->nlmsg_type = RTM_GETADDR;
        message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
        request->rtgen_family = AF_UNSPEC;
        if (send(fd, message, message->nlmsg_len, 0) < 0)
                return -errno;
        do {
                n = recv(fd, namespaces->buffer, sizeof(namespaces->buffer), 0);
                if (n < 0)
                        return -errno;
                r = mnl_cb_run(namespaces->buffer, (size_t) n, 0, 0, on_address, entered);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -(errno ?: EIO) : 0;
}

static int enter(struct network_namespaces *namespaces, int netns, struct entered *entered) {
        static const int protocols[] = {NETLINK_SOCK_DIAG, NETLINK_ROUTE};
        _cleanup_close_ int route = -1;
        int fds[ELEMENTSOF(protocols)];
        int r;

        r = netns_sockets(netns, protocols, ELEMENTSOF(protocols), fds);
        if (r < 0)
                return r;
        route = fds[1];
        r = sock_diag_new_on(fds[0], &entered->diag);
        if (r < 0)
                return r;
        return read_addresses(namespaces, route, entered);
}

static struct entered *find_entered(struct network_namespaces *namespaces, uint16_t netns) {
        for (size_t i = 0; i < namespaces->n_entered; i++)
                if (namespaces->entered[i].netns == netns)
                        return &namespaces->entered[i];
        return NULL;
}

/* What failed is noted too, so that it is tried once for all questions of a drain. */
static int enter_number(struct network_namespaces *namespaces, uint16_t netns, uint64_t now_usec,
                        struct entered **ret_entered) {
        _cleanup_close_ int fd = -1;
        struct entered *entered;

        if (namespaces->n_entered == ENTERED_MAX)
                return -EAGAIN;
        fd = open_number(namespaces, netns, now_usec);
        if (fd == -EAGAIN)
                return -EAGAIN;
        entered = &namespaces->entered[namespaces->n_entered++];
        entered->netns = netns;
        entered->diag = NULL;
        entered->n_addresses = 0;
        if (fd >= 0 && enter(namespaces, fd, entered) < 0) {
                sock_diag_free(TAKE_PTR(entered->diag));
                entered->n_addresses = 0;
        }
        *ret_entered = entered;
        return 0;
}

static bool has_address(const struct entered *entered, const struct in6_addr *address) {
        for (size_t i = 0; i < entered->n_addresses; i++)
                if (memcmp(&entered->addresses[i], address, sizeof(*address)) == 0)
                        return true;
        return false;
}

int network_namespaces_enter(struct network_namespaces *namespaces, uint16_t netns,
                             const struct in6_addr *address, uint64_t now_usec,
                             struct sock_diag **ret_diag) {
        struct entered *entered = find_entered(namespaces, netns);
        int r;

        if (!entered) {
                r = enter_number(namespaces, netns, now_usec, &entered);
                if (r < 0)
                        return r;
        }
        if (!entered->diag || !has_address(entered, address))
                return 0;
        *ret_diag = entered->diag;
        return 1;
}
