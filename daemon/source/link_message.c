/* SPDX-License-Identifier: MIT */
#include "source/link_message.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

/* IFLA_INFO_KIND: rtnl_link_ops.kind of each driver. What is not here neither takes packets from another
 * device nor hides them in others. PPP is not: over Ethernet (PPPoE), what carries it is no IP. */
static const struct {
        const char *name;
        enum interface_kind kind;
} kinds[] = {
        {"vlan", INTERFACE_VLAN},        {"macvlan", INTERFACE_MACVLAN},  {"macvtap", INTERFACE_MACVLAN},
        {"ipvlan", INTERFACE_IPVLAN},    {"ipvtap", INTERFACE_IPVLAN},    {"ifb", INTERFACE_IFB},
        {"vrf", INTERFACE_VRF},          {"tun", INTERFACE_TUNNEL},       {"wireguard", INTERFACE_TUNNEL},
        {"vxlan", INTERFACE_TUNNEL},     {"geneve", INTERFACE_TUNNEL},    {"gre", INTERFACE_TUNNEL},
        {"gretap", INTERFACE_TUNNEL},    {"erspan", INTERFACE_TUNNEL},    {"ip6gre", INTERFACE_TUNNEL},
        {"ip6gretap", INTERFACE_TUNNEL}, {"ip6erspan", INTERFACE_TUNNEL}, {"ipip", INTERFACE_TUNNEL},
        {"sit", INTERFACE_TUNNEL},       {"ip6tnl", INTERFACE_TUNNEL},    {"vti", INTERFACE_TUNNEL},
        {"vti6", INTERFACE_TUNNEL},      {"xfrm", INTERFACE_TUNNEL},      {"bareudp", INTERFACE_TUNNEL},
        {"gtp", INTERFACE_TUNNEL},       {"ovpn", INTERFACE_TUNNEL},      {"amt", INTERFACE_TUNNEL},
};

/* What is gathered while the attributes of one message are read. */
struct reading {
        struct interface interface;
        bool is_veth;
        bool lower_is_elsewhere;
        uint16_t netns; /* where that is; 0: not told, or beyond what is followed */
};

static enum interface_kind kind_of(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (strcmp(kinds[i].name, name) == 0)
                        return kinds[i].kind;
        return INTERFACE_PLAIN;
}

static void read_vlan(const struct nlattr *data, struct interface *interface) {
        const struct nlattr *attribute;

        mnl_attr_for_each_nested(attribute, data) if (mnl_attr_get_type(attribute) == IFLA_VLAN_ID &&
                                                      mnl_attr_validate(attribute, MNL_TYPE_U16) >= 0)
                interface->vlan_id = mnl_attr_get_u16(attribute);
}

static void read_info(const struct nlattr *info, struct reading *reading) {
        struct interface *interface = &reading->interface;
        const struct nlattr *attribute, *data = NULL;

        mnl_attr_for_each_nested(attribute, info) {
                if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND &&
                    mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
                        interface->kind = kind_of(mnl_attr_get_str(attribute));
                        reading->is_veth = strcmp(mnl_attr_get_str(attribute), "veth") == 0;
                }
                if (mnl_attr_get_type(attribute) == IFLA_INFO_DATA)
                        data = attribute;
        }
        if (data && interface->kind == INTERFACE_VLAN)
                read_vlan(data, interface);
}

static void read_mac(const struct nlattr *attribute, struct interface *interface) {
        if (mnl_attr_get_payload_len(attribute) != sizeof(interface->mac))
                return;
        memcpy(interface->mac, mnl_attr_get_payload(attribute), sizeof(interface->mac));
        interface->has_mac = true;
}

/* Ids of namespaces are counted up from 0, where nobody chose them; NETNSA_NSID_NOT_ASSIGNED is below. */
static void read_netns(const struct nlattr *attribute, struct reading *reading) {
        uint32_t id;

        reading->lower_is_elsewhere = true;
        if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0)
                return;
        id = mnl_attr_get_u32(attribute);
        reading->netns = id < UINT16_MAX ? (uint16_t) (id + 1) : 0;
}

static void read_attribute(const struct nlattr *attribute, struct reading *reading) {
        struct interface *interface = &reading->interface;

        switch (mnl_attr_get_type(attribute)) {
        case IFLA_IFNAME:
                if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0)
                        (void) snprintf(interface->name, sizeof(interface->name), "%s",
                                        mnl_attr_get_str(attribute));
                break;
        case IFLA_MASTER:
                if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
                        interface->master = mnl_attr_get_u32(attribute);
                break;
        case IFLA_LINK:
                if (mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0)
                        interface->lower = mnl_attr_get_u32(attribute);
                break;
        case IFLA_LINK_NETNSID: /* lower is an index in that namespace then */
                read_netns(attribute, reading);
                break;
        case IFLA_ADDRESS:
                read_mac(attribute, interface);
                break;
        case IFLA_LINKINFO:
                read_info(attribute, reading);
                break;
        default:
                break;
        }
}

int link_message_parse(const struct nlmsghdr *message, struct interface *ret_interface) {
        const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
        const struct nlattr *attribute;
        struct reading reading = {};

        if (message->nlmsg_type != RTM_NEWLINK || mnl_nlmsg_get_payload_len(message) < sizeof(*info) ||
            info->ifi_index <= 0)
                return -EBADMSG;
        reading.interface = (struct interface){
                .ifindex = (uint32_t) info->ifi_index,
                .flags = info->ifi_flags,
                .arp_type = info->ifi_type,
        };
        mnl_attr_for_each(attribute, message, sizeof(*info)) read_attribute(attribute, &reading);
        if (reading.lower_is_elsewhere)
                reading.interface.lower = 0;
        if (reading.is_veth)
                reading.interface.peer_netns = reading.netns;
        *ret_interface = reading.interface;
        return 0;
}
