/* SPDX-License-Identifier: MIT */
#include "source/interfaces.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "util/hash_table.h"

/* Far beyond any host; a bound on memory, not on use. */
#define MAX_INTERFACES 65536
#define MAX_ADDRESSES  262144

/* What the kernel fills at most per message of a dump: net/netlink/af_netlink.c, netlink_dump(). */
#define MESSAGE_BYTES 32768

struct snapshot {
        struct hash_table *by_index;  /* struct interface */
        struct hash_table *addresses; /* struct in6_addr */
};

struct interfaces {
        struct snapshot now;
        struct mnl_socket *events;
        bool stale; /* something changed since `now` was read */
};

static void snapshot_done(struct snapshot *snapshot) {
        hash_table_free(snapshot->by_index);
        hash_table_free(snapshot->addresses);
        *snapshot = (struct snapshot){};
}

static void mnl_socket_free(struct mnl_socket *socket) {
        if (socket)
                mnl_socket_close(socket);
}
DEFINE_CLEANUP(struct mnl_socket *, mnl_socket_free)

static int open_rtnetlink(unsigned groups, struct mnl_socket **ret_socket) {
        _cleanup_(mnl_socket_freep) struct mnl_socket *socket = NULL;

        socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | (groups ? SOCK_NONBLOCK : 0));
        if (!socket || mnl_socket_bind(socket, groups, MNL_SOCKET_AUTOPID) < 0)
                return -errno;
        *ret_socket = TAKE_PTR(socket);
        return 0;
}

static int on_link(const struct nlmsghdr *message, void *userdata) {
        const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
        struct snapshot *snapshot = userdata;
        struct interface *interface;
        const struct nlattr *attribute;
        uint32_t ifindex;
        void *entry;

        if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(*info))
                return MNL_CB_OK;
        ifindex = (uint32_t) info->ifi_index;
        if (hash_table_find(snapshot->by_index, &ifindex)) /* a dump may show one twice while links change */
                return MNL_CB_OK;
        if (hash_table_add(snapshot->by_index, &ifindex, &entry) < 0)
                return MNL_CB_ERROR;
        interface = entry;
        interface->flags = info->ifi_flags;

        mnl_attr_for_each(attribute, message, sizeof(*info)) {
                if (mnl_attr_get_type(attribute) == IFLA_IFNAME &&
                    mnl_attr_validate(attribute, MNL_TYPE_STRING) >= 0)
                        (void) snprintf(interface->name, sizeof(interface->name), "%s",
                                        mnl_attr_get_str(attribute));
                if (mnl_attr_get_type(attribute) == IFLA_MASTER &&
                    mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
                        interface->master = mnl_attr_get_u32(attribute);
        }
        return MNL_CB_OK;
}

static int add_address(struct snapshot *snapshot, const struct nlattr *attribute) {
        struct in6_addr address = {};
        void *entry;

        switch (mnl_attr_get_payload_len(attribute)) {
        case 4:
                address.s6_addr[10] = address.s6_addr[11] = 0xff;
                memcpy(address.s6_addr + 12, mnl_attr_get_payload(attribute), 4);
                break;
        case 16:
                memcpy(&address, mnl_attr_get_payload(attribute), 16);
                break;
        default:
                return 0;
        }
        return hash_table_find(snapshot->addresses, &address)
                       ? 0
                       : hash_table_add(snapshot->addresses, &address, &entry);
}

static int on_address(const struct nlmsghdr *message, void *userdata) {
        const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
        struct snapshot *snapshot = userdata;
        const struct nlattr *attribute;
        bool has_local = false;

        if (message->nlmsg_type != RTM_NEWADDR || mnl_nlmsg_get_payload_len(message) < sizeof(*info))
                return MNL_CB_OK;
        /* On a point-to-point link IFA_ADDRESS is the peer's and IFA_LOCAL ours: linux/if_addr.h. */
        mnl_attr_for_each(attribute, message, sizeof(*info)) has_local |=
                mnl_attr_get_type(attribute) == IFA_LOCAL;
        mnl_attr_for_each(attribute, message, sizeof(*info)) {
                uint16_t type = mnl_attr_get_type(attribute);

                if ((type == IFA_LOCAL || type == IFA_BROADCAST || (type == IFA_ADDRESS && !has_local)) &&
                    add_address(snapshot, attribute) < 0)
                        return MNL_CB_ERROR;
        }
        return MNL_CB_OK;
}

/* Returns 0, -EINTR when something changed under the dump, or another negative errno. */
static int dump(struct mnl_socket *socket, uint16_t type, mnl_cb_t handler, struct snapshot *snapshot) {
        char buffer[MESSAGE_BYTES] __attribute__((aligned(8)));
        struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
        unsigned port = mnl_socket_get_portid(socket);
        int r;

        request->nlmsg_type = type;
        request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        request->nlmsg_seq = type;
        *(struct rtgenmsg *) mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg)) =
                (struct rtgenmsg){.rtgen_family = AF_UNSPEC};
        if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
                return -errno;

        do {
                ssize_t n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));

                if (n < 0)
                        return -errno;
                r = mnl_cb_run(buffer, (size_t) n, type, port, handler, snapshot);
        } while (r > MNL_CB_STOP);
        return r < 0 ? -(errno ?: EIO) : 0;
}

static int read_snapshot(struct snapshot *ret_snapshot) {
        _cleanup_(mnl_socket_freep) struct mnl_socket *socket = NULL;
        _cleanup_(snapshot_done) struct snapshot snapshot = {};
        int r;

        r = open_rtnetlink(0, &socket);
        if (r < 0)
                return r;
        r = hash_table_new(sizeof(struct interface), sizeof(uint32_t), MAX_INTERFACES, &snapshot.by_index);
        if (r < 0)
                return r;
        r = hash_table_new(sizeof(struct in6_addr), sizeof(struct in6_addr), MAX_ADDRESSES,
                           &snapshot.addresses);
        if (r < 0)
                return r;
        r = dump(socket, RTM_GETLINK, on_link, &snapshot);
        if (r < 0)
                return r;
        r = dump(socket, RTM_GETADDR, on_address, &snapshot);
        if (r < 0)
                return r;

        *ret_snapshot = snapshot;
        snapshot = (struct snapshot){};
        return 0;
}

static int refresh(struct interfaces *interfaces) {
        struct snapshot fresh;
        int r;

        r = read_snapshot(&fresh);
        if (r < 0)
                return r;
        snapshot_done(&interfaces->now);
        interfaces->now = fresh;
        interfaces->stale = false;
        return 1;
}

int interfaces_new(struct interfaces **ret_interfaces) {
        _cleanup_(interfaces_freep) struct interfaces *interfaces = calloc(1, sizeof(*interfaces));
        int r;

        if (!interfaces)
                return -ENOMEM;
        /* subscribed before the first reading, so that no change falls between the two */
        r = open_rtnetlink(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, &interfaces->events);
        if (r < 0)
                return r;
        r = refresh(interfaces);
        if (r == -EINTR) { /* links were changing: the next update reads them again */
                interfaces->stale = true;
                r = refresh(interfaces);
        }
        if (r < 0)
                return r;

        *ret_interfaces = TAKE_PTR(interfaces);
        return 0;
}

void interfaces_free(struct interfaces *interfaces) {
        if (!interfaces)
                return;
        mnl_socket_free(interfaces->events);
        snapshot_done(&interfaces->now);
        free(interfaces);
}

int interfaces_update(struct interfaces *interfaces) {
        char buffer[MESSAGE_BYTES] __attribute__((aligned(8)));

        /* What exactly changed does not matter; ENOBUFS says that some changes were not even told. */
        while (mnl_socket_recvfrom(interfaces->events, buffer, sizeof(buffer)) >= 0 || errno == ENOBUFS)
                interfaces->stale = true;
        return interfaces->stale ? refresh(interfaces) : 0;
}

const struct interface *interfaces_get(const struct interfaces *interfaces, uint32_t ifindex) {
        return hash_table_find(interfaces->now.by_index, &ifindex);
}

bool interfaces_is_ours(const struct interfaces *interfaces, const struct in6_addr *address) {
        static const struct in6_addr limited_broadcast = {
                .s6_addr = {[10] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

        if (IN6_IS_ADDR_V4MAPPED(address)) {
                uint8_t first = address->s6_addr[12];

                /* loopback is ours as a whole (RFC 1122 section 3.2.1.3); class D is multicast; 0.0.0.0 is
                 * who has no address yet (DHCP) */
                if (first == 127 || (first & 0xf0) == 0xe0 || first == 0 ||
                    memcmp(address, &limited_broadcast, sizeof(*address)) == 0)
                        return true;
        } else if (IN6_IS_ADDR_MULTICAST(address) || IN6_IS_ADDR_UNSPECIFIED(address) ||
                   IN6_IS_ADDR_LOOPBACK(address))
                return true;
        return hash_table_find(interfaces->now.addresses, address) != NULL;
}
