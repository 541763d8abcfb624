/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <pcap/pcap.h>

#include "source/orient.h"
#include "support/test.h"

/* What a host has: eth0; br0 with port v1 to a container; v2 to another; v3 to one on this host's own
 * namespace; mv0, whose device below is elsewhere. */
enum { ETH0 = 2, BR0, V1, V2, V3, MV0, V4 };

static const struct {
        uint32_t ifindex, master;
        const char *name, *kind, *address;
        int netns; /* IFLA_LINK_NETNSID; -2: not told */
} links[] = {
        {ETH0, 0, "eth0", NULL, "192.0.2.1", -2}, {BR0, 0, "br0", "bridge", "10.1.0.1", -2},
        {V1, BR0, "v1", "veth", NULL, 0},         {V2, 0, "v2", "veth", "10.2.0.1", 65534 - 1},
        {V3, 0, "v3", "veth", "10.3.0.1", -2},    {MV0, 0, "mv0", "macvlan", "10.4.0.1", 1},
        {V4, 0, "v4", "veth", "10.5.0.1", -1},
};

static size_t put_link(size_t i, void *buffer) {
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
        struct nlattr *nest;

        message->nlmsg_type = RTM_NEWLINK;
        info->ifi_index = (int) links[i].ifindex;
        info->ifi_type = ARPHRD_ETHER;
        info->ifi_flags = IFF_UP;
        mnl_attr_put_strz(message, IFLA_IFNAME, links[i].name);
        if (links[i].master)
                mnl_attr_put_u32(message, IFLA_MASTER, links[i].master);
        mnl_attr_put_u32(message, IFLA_LINK, ETH0);
        if (links[i].netns != -2)
                mnl_attr_put_u32(message, IFLA_LINK_NETNSID, (uint32_t) links[i].netns);
        if (links[i].kind) {
                nest = mnl_attr_nest_start(message, IFLA_LINKINFO);
                mnl_attr_put_strz(message, IFLA_INFO_KIND, links[i].kind);
                mnl_attr_nest_end(message, nest);
        }
        return message->nlmsg_len;
}

static size_t put_address(size_t i, void *buffer) {
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct ifaddrmsg *info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
        struct in_addr address;

        message->nlmsg_type = RTM_NEWADDR;
        info->ifa_family = AF_INET;
        info->ifa_index = links[i].ifindex;
        assert_int_equal(inet_pton(AF_INET, links[i].address, &address), 1);
        mnl_attr_put(message, IFA_LOCAL, sizeof(address), &address);
        return message->nlmsg_len;
}

static int set_up(void **state) {
        static char dump[8192] __attribute__((aligned(8)));
        size_t size = 0;

        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                size += put_link(i, dump + size);
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                if (links[i].address)
                        size += put_address(i, dump + size);
        return interfaces_new_from(dump, size, (struct interfaces **) state);
}

static int tear_down(void **state) {
        interfaces_free(*state);
        return 0;
}

static void test_where_a_veth_leads(void **state) {
        assert_int_equal(interfaces_get(*state, V1)->peer_netns, 1);
        assert_int_equal(interfaces_get(*state, V2)->peer_netns, 65534);
        assert_int_equal(interfaces_get(*state, V3)->peer_netns, 0);
        assert_int_equal(interfaces_get(*state, MV0)->peer_netns, 0);
        assert_int_equal(interfaces_get(*state, V4)->peer_netns, 0);
        assert_int_equal(interfaces_get(*state, V1)->lower, 0);
        assert_int_equal(interfaces_get(*state, V3)->lower, ETH0);
}

/* A packet as `any` shows it: UDP from port 40000 to port 53. */
static bool seen(struct orient *orient, uint32_t ifindex, uint8_t type, const char *from, const char *to,
                 struct sample *ret_sample) {
        uint8_t packet[20 + 28] = {[0] = 8,
                                   [7] = (uint8_t) ifindex,
                                   [9] = ARPHRD_ETHER,
                                   [10] = type,
                                   [20] = 0x45,
                                   [23] = 28,
                                   [28] = 64,
                                   [29] = 17,
                                   [40] = 0x9c,
                                   0x40,
                                   0,
                                   53,
                                   0,
                                   8};

        assert_int_equal(inet_pton(AF_INET, from, packet + 32), 1);
        assert_int_equal(inet_pton(AF_INET, to, packet + 36), 1);
        return orient_packet(orient, packet, sizeof(packet), sizeof(packet), 1000000, ret_sample);
}

enum { TO_US = 0, OTHER = 3, FROM_US = 4 }; /* packet(7), sll_pkttype */

static void test_what_is_a_containers(void **state) {
        struct orient orient = {.link_type = DLT_LINUX_SLL2, .interfaces = *state, .namespaces = true};
        struct sample sample;

        for (int again = 0; again < 2; again++) { /* as remembered, too */
                assert_true(seen(&orient, V2, TO_US, "10.2.0.2", "198.51.100.7", &sample));
                assert_int_equal(sample.direction, DIRECTION_OUT);
                assert_int_equal(sample.key.netns, 65534);
                assert_int_equal(sample.key.local_port, 40000);
        }
        assert_true(seen(&orient, V2, FROM_US, "198.51.100.7", "10.2.0.2", &sample));
        assert_int_equal(sample.direction, DIRECTION_IN);
        assert_int_equal(sample.key.netns, 65534);
        assert_int_equal(sample.key.local_port, 53);

        /* on a port of a bridge, where nothing is for the port itself */
        assert_true(seen(&orient, V1, OTHER, "10.1.0.2", "198.51.100.7", &sample));
        assert_int_equal(sample.direction, DIRECTION_OUT);
        assert_int_equal(sample.key.netns, 1);
        assert_int_equal(orient.counts.skipped_enslaved, 0);

        /* and the same packet elsewhere */
        assert_true(seen(&orient, BR0, TO_US, "10.1.0.2", "198.51.100.7", &sample));
        assert_int_equal(sample.direction, DIRECTION_FORWARDED);
        assert_int_equal(sample.key.netns, 0);
        assert_true(seen(&orient, ETH0, FROM_US, "10.1.0.2", "198.51.100.7", &sample));
        assert_int_equal(sample.direction, DIRECTION_FORWARDED);
        assert_true(seen(&orient, ETH0, FROM_US, "192.0.2.1", "198.51.100.7", &sample));
        assert_int_equal(sample.direction, DIRECTION_OUT);
        assert_int_equal(sample.key.netns, 0);
}

static void test_what_is_not(void **state) {
        struct orient orient = {.link_type = DLT_LINUX_SLL2, .interfaces = *state, .namespaces = true};
        struct sample sample;

        /* this host's own */
        assert_true(seen(&orient, V2, TO_US, "10.2.0.2", "10.2.0.1", &sample));
        assert_int_equal(sample.direction, DIRECTION_IN);
        assert_int_equal(sample.key.netns, 0);
        assert_true(seen(&orient, V2, FROM_US, "192.0.2.1", "10.2.0.2", &sample));
        assert_int_equal(sample.direction, DIRECTION_OUT);
        assert_false(seen(&orient, V1, OTHER, "10.1.0.2", "10.1.0.1", &sample));
        assert_false(seen(&orient, V1, FROM_US, "192.0.2.1", "10.1.0.2", &sample));
        assert_false(seen(&orient, V1, FROM_US, "10.1.0.9", "224.0.0.251", &sample)); /* flooded */
        assert_int_equal(orient.counts.skipped_enslaved, 3 * 28);

        /* to no other namespace, or to one that is not known */
        for (uint32_t i = V3; i <= V4; i++) {
                assert_true(seen(&orient, i, TO_US, "10.9.0.2", "198.51.100.7", &sample));
                assert_int_equal(sample.direction, DIRECTION_FORWARDED);
                assert_int_equal(sample.key.netns, 0);
        }

        orient.namespaces = false; /* they cannot be entered */
        assert_true(seen(&orient, V2, TO_US, "10.2.0.2", "198.51.100.8", &sample));
        assert_int_equal(sample.direction, DIRECTION_FORWARDED);
        assert_false(seen(&orient, V1, OTHER, "10.1.0.2", "198.51.100.7", &sample));
}

#define HOST_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                HOST_TEST(test_where_a_veth_leads),
                HOST_TEST(test_what_is_a_containers),
                HOST_TEST(test_what_is_not),
        };

        return cmocka_run_group_tests_name("containers", tests, NULL, NULL);
}
