/* SPDX-License-Identifier: MIT */
#include "source/interfaces.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "source/link_message.h"
#include "util/clock.h"
#include "util/hash_table.h"

/* Far beyond any host; a bound on memory, not on use. */
#define MAX_INTERFACES 65536
#define MAX_ADDRESSES  262144

/* What the kernel fills at most per message of a dump: net/netlink/af_netlink.c, netlink_dump(). */
#define MESSAGE_BYTES 32768

/* How often a dump is begun anew when links change under it, before what was known before has to do. */
#define TRIES 3

/* How long addresses that are gone are remembered: longer than a packet waits to be read. */
#define REMEMBER_USEC (2 * USEC_PER_SEC)

struct address {
        struct in6_addr address; /* key */
        uint32_t ifindex;        /* 0: several have it */
        uint64_t gone_usec;      /* CLOCK_REALTIME, when that was seen; 0: it is there */
};

struct snapshot {
        struct hash_table *by_index;  /* struct interface */
        struct hash_table *addresses; /* struct address */
};

struct interfaces {
        struct snapshot now;
        struct mnl_socket *events; /* NULL: nothing ever changes */
        uint64_t generation;
        uint64_t changed_usec; /* CLOCK_REALTIME, when `now` was read; 0: nothing ever changes */
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
        struct snapshot *snapshot = userdata;
        struct interface interface;
        void *entry;

        if (link_message_parse(message, &interface) < 0)
                return MNL_CB_OK;
        if (hash_table_find(snapshot->by_index,
                            &interface.ifindex)) /* a dump may show one twice while links change */
                return MNL_CB_OK;
        if (hash_table_add(snapshot->by_index, &interface.ifindex, &entry) < 0)
                return MNL_CB_ERROR;
        memcpy(entry, &interface, sizeof(interface));
        return MNL_CB_OK;
}

static int add_address(struct snapshot *snapshot, const struct nlattr *attribute, uint32_t ifindex) {
        struct in6_addr address = {};
        struct address *known;
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
        known = hash_table_find(snapshot->addresses, &address);
        if (known) {
                if (known->ifindex != ifindex)
                        known->ifindex = 0;
                return 0;
        }
        if (hash_table_add(snapshot->addresses, &address, &entry) < 0)
                return -ENOMEM;
        known = entry;
        known->ifindex = ifindex;
        return 0;
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
                    add_address(snapshot, attribute, info->ifa_index) < 0)
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

static int snapshot_init(struct snapshot *ret_snapshot) {
        _cleanup_(snapshot_done) struct snapshot snapshot = {};
        int r;

        r = hash_table_new(sizeof(struct interface), sizeof(uint32_t), MAX_INTERFACES, &snapshot.by_index);
        if (r < 0)
                return r;
        r = hash_table_new(sizeof(struct address), sizeof(struct in6_addr), MAX_ADDRESSES,
                           &snapshot.addresses);
        if (r < 0)
                return r;
        *ret_snapshot = snapshot;
        snapshot = (struct snapshot){};
        return 0;
}

static void keep_interfaces(const struct snapshot *before, struct snapshot *snapshot) {
        const struct interface *interface;
        uint32_t cursor = 0;
        void *entry;

        while ((interface = hash_table_next(before->by_index, &cursor))) {
                if (interface->gone || hash_table_find(snapshot->by_index, &interface->ifindex) ||
                    hash_table_add(snapshot->by_index, &interface->ifindex, &entry) < 0)
                        continue;
                memcpy(entry, interface, sizeof(*interface));
                ((struct interface *) entry)->gone = true;
                ((struct interface *) entry)->first_upper = ((struct interface *) entry)->next_upper = 0;
        }
}

static void keep_addresses(const struct snapshot *before, struct snapshot *snapshot) {
        const uint64_t now = clock_usec(CLOCK_REALTIME);
        const struct address *address;
        uint32_t cursor = 0;
        void *entry;

        while ((address = hash_table_next(before->addresses, &cursor))) {
                uint64_t gone_usec = address->gone_usec ?: now;

                /* a clock that was set back must not keep them */
                if (now < gone_usec || now - gone_usec > REMEMBER_USEC ||
                    hash_table_find(snapshot->addresses, &address->address) ||
                    hash_table_add(snapshot->addresses, &address->address, &entry) < 0)
                        continue;
                memcpy(entry, address, sizeof(*address));
                ((struct address *) entry)->gone_usec = gone_usec;
        }
}

/* Links each device that takes packets from another to that one. */
static void find_uppers(struct snapshot *snapshot) {
        struct interface *upper, *lower;
        uint32_t cursor = 0;

        while ((upper = hash_table_next(snapshot->by_index, &cursor))) {
                if (upper->kind != INTERFACE_VLAN && upper->kind != INTERFACE_MACVLAN &&
                    upper->kind != INTERFACE_IPVLAN)
                        continue;
                lower = hash_table_find(snapshot->by_index, &upper->lower);
                if (!lower || lower == upper)
                        continue;
                upper->next_upper = lower->first_upper;
                lower->first_upper = upper->ifindex;
        }
}

static int read_snapshot(struct snapshot *ret_snapshot) {
        _cleanup_(mnl_socket_freep) struct mnl_socket *socket = NULL;
        _cleanup_(snapshot_done) struct snapshot snapshot = {};
        int r;

        r = open_rtnetlink(0, &socket);
        if (r < 0)
                return r;
        r = snapshot_init(&snapshot);
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
        int r = -EINTR;

        for (int tries = 0; tries < TRIES && r == -EINTR; tries++)
                r = read_snapshot(&fresh);
        if (r < 0)
                return r;
        if (interfaces->now.by_index) {
                keep_interfaces(&interfaces->now, &fresh);
                keep_addresses(&interfaces->now, &fresh);
        }
        find_uppers(&fresh);
        snapshot_done(&interfaces->now);
        interfaces->now = fresh;
        interfaces->generation++;
        interfaces->changed_usec = clock_usec(CLOCK_REALTIME);
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
        if (r < 0)
                return r;

        *ret_interfaces = TAKE_PTR(interfaces);
        return 0;
}

static int on_message(const struct nlmsghdr *message, void *userdata) {
        return message->nlmsg_type == RTM_NEWLINK ? on_link(message, userdata)
                                                  : on_address(message, userdata);
}

/* libmnl compares lengths as signed numbers: one beyond INT_MAX has it walk backwards (mnl_nlmsg_ok()). The kernel
 * sends none, but this may be a dump from elsewhere. */
static bool lengths_are_sane(const void *dump, size_t size) {
        for (size_t at = 0; size - at >= sizeof(struct nlmsghdr);) {
                struct nlmsghdr header;

                memcpy(&header, (const char *) dump + at, sizeof(header));
                if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > size - at)
                        return false;
                at += MIN((size_t) NLMSG_ALIGN(header.nlmsg_len), size - at);
        }
        return true;
}

int interfaces_new_from(const void *dump, size_t size, struct interfaces **ret_interfaces) {
        _cleanup_(interfaces_freep) struct interfaces *interfaces = calloc(1, sizeof(*interfaces));
        int r;

        if (!interfaces)
                return -ENOMEM;
        r = snapshot_init(&interfaces->now);
        if (r < 0)
                return r;
        if (!lengths_are_sane(dump, size))
                return -EBADMSG;
        if (mnl_cb_run(dump, size, 0, 0, on_message, &interfaces->now) < MNL_CB_STOP)
                return -EBADMSG;
        find_uppers(&interfaces->now);

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

        if (!interfaces->events)
                return 0;
        /* What exactly changed does not matter; ENOBUFS says that some changes were not even told. */
        while (mnl_socket_recvfrom(interfaces->events, buffer, sizeof(buffer)) >= 0 || errno == ENOBUFS)
                interfaces->stale = true;
        return interfaces->stale ? refresh(interfaces) : 0;
}

int interfaces_fd(const struct interfaces *interfaces) {
        return interfaces->events ? mnl_socket_get_fd(interfaces->events) : -1;
}

bool interfaces_are_stale(const struct interfaces *interfaces) {
        return interfaces->stale;
}

uint64_t interfaces_generation(const struct interfaces *interfaces) {
        return interfaces->generation;
}

uint64_t interfaces_changed_usec(const struct interfaces *interfaces) {
        return interfaces->changed_usec;
}

const struct interface *interfaces_get_recent(const struct interfaces *interfaces, uint32_t ifindex) {
        return hash_table_find(interfaces->now.by_index, &ifindex);
}

const struct interface *interfaces_get(const struct interfaces *interfaces, uint32_t ifindex) {
        const struct interface *interface = interfaces_get_recent(interfaces, ifindex);

        return interface && !interface->gone ? interface : NULL;
}

const struct interface *interfaces_next(const struct interfaces *interfaces, uint32_t *cursor) {
        const struct interface *interface;

        do
                interface = hash_table_next(interfaces->now.by_index, cursor);
        while (interface && interface->gone);
        return interface;
}

/* NULL: of no interface at that time. */
static const struct address *find_address(const struct interfaces *interfaces,
                                          const struct in6_addr *address, uint64_t time_usec) {
        const struct address *known = hash_table_find(interfaces->now.addresses, address);

        return known && (known->gone_usec == 0 || time_usec <= known->gone_usec) ? known : NULL;
}

bool interfaces_is_ours(const struct interfaces *interfaces, const struct in6_addr *address,
                        uint64_t time_usec) {
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
        return find_address(interfaces, address, time_usec) != NULL;
}

bool interfaces_address_is_on(const struct interfaces *interfaces, const struct in6_addr *address,
                              uint32_t ifindex, uint64_t time_usec) {
        const struct address *known = find_address(interfaces, address, time_usec);

        return known && known->ifindex == ifindex;
}
