/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <pcap/pcap.h>

#include "source/addresses.h"
#include "source/chosen.h"
#include "source/device_list.h"
#include "source/filter.h"
#include "source/orient.h"
#include "source/pattern.h"
#include "source/pcap_handle.h"
#include "support/test.h"
#include "util/strv.h"

#define LIST(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_patterns(void **state) {
        struct source_error error;

        (void) state;
        assert_true(patterns_match(NULL, "eth0"));
        assert_true(patterns_match(LIST("en*", "eth0"), "eth0"));
        assert_true(patterns_match(LIST("en*", "eth0"), "enp3s0"));
        assert_false(patterns_match(LIST("en*", "eth0"), "eth01"));
        assert_true(patterns_match(LIST("veth[0-9]"), "veth7"));
        assert_false(patterns_match(LIST("?"), "lo"));
        assert_true(patterns_match(LIST("!docker*"), "eth0")); /* all but these */
        assert_false(patterns_match(LIST("!docker*"), "docker0"));
        assert_false(patterns_match(LIST("!eth1", "eth*"), "eth1")); /* in whatever order */
        assert_false(patterns_match(LIST("eth*", "!eth1"), "eth1"));
        assert_true(patterns_match(LIST("eth*", "!eth1"), "eth2"));
        assert_false(patterns_match(LIST("eth*", "!eth1"), "lo"));
        assert_true(patterns_match(LIST("[abc"), "[abc")); /* as fnmatch(3) has it: no class, then */

        assert_int_equal(patterns_check(NULL, &error), 0);
        assert_int_equal(patterns_check(LIST("en*", "!docker*", "[[:alpha:]]*", "br-0a1b"), &error), 0);
        assert_true(pattern_is_name("eth0") && !pattern_is_name("eth?") && !pattern_is_name("!eth0"));
}

static void test_patterns_that_cannot_match(void **state) {
        static const char *const bad[] = {
                "", "!", "a b", "eth0/1", "eth0:1", "en*\n", "sixteen-letters-", "\tx", "en[ab] c"};
        const char *many[70] = {};
        struct source_error error;
        char name[200];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(patterns_check(LIST("lo", bad[i]), &error), -EINVAL);
                assert_non_null(strstr(error.text, "device \""));
        }
        memset(name, '*', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        assert_int_equal(patterns_check(LIST(name), &error), -EINVAL);
        for (size_t i = 0; i < 65; i++)
                many[i] = "lo";
        assert_int_equal(patterns_check(many, &error), -EINVAL);
        assert_string_equal(error.text, "65 devices are named, but at most 64 can be");
}

static bool have(const struct addresses *addresses, const char *text) {
        struct in6_addr address;

        assert_int_equal(inet_pton(AF_INET6, text, &address), 1);
        return addresses_have(addresses, &address);
}

static void test_addresses(void **state) {
        static const char *const bad[] = {"",
                                          "1.2.3",
                                          "10.0.0.1/33",
                                          "::1/129",
                                          "host",
                                          "10.0.0.1/",
                                          "1.2.3.4/-1",
                                          "fe80::1%eth0",
                                          "10.0.0.1 ",
                                          "/8",
                                          "1111:2222:3333:4444:5555:6666:7777:8888:9999"};
        struct addresses addresses = {.n = 77};
        struct source_error error;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                assert_int_equal(addresses_parse(LIST("10.0.0.1", bad[i]), &addresses, &error), -EINVAL);
                assert_non_null(strstr(error.text, "neither an IPv4 nor an IPv6 address"));
        }
        assert_int_equal(addresses.n, 77); /* untouched */
        assert_int_equal(addresses_parse(NULL, &addresses, &error), 0);
        assert_int_equal(addresses.n, 0);
        assert_int_equal(
                addresses_parse(LIST("10.0.0.1", "10.9.0.0/15", "fd09::1", "fe80::/10"), &addresses, &error),
                0);
        assert_true(have(&addresses, "::ffff:10.0.0.1"));
        assert_false(have(&addresses, "::ffff:10.0.0.2"));
        assert_true(have(&addresses, "::ffff:10.8.255.255"));
        assert_false(have(&addresses, "::ffff:10.10.0.0"));
        assert_true(have(&addresses, "fd09::1"));
        assert_false(have(&addresses, "fd09::2"));
        assert_true(have(&addresses, "febf::1"));
        assert_false(have(&addresses, "fec0::1"));
        assert_int_equal(addresses_parse(LIST("0.0.0.0/0"), &addresses, &error), 0);
        assert_true(have(&addresses, "::ffff:1.2.3.4"));
        assert_false(have(&addresses, "fd09::1"));
}

/* Packets received of all entries, and how many there are. */
static uint64_t sum(const struct device_list *list, size_t *ret_n) {
        const struct device *device;
        uint64_t received = 0;

        *ret_n = 0;
        for (size_t cursor = 0; (device = device_list_next(list, &cursor)); ++*ret_n)
                received += device->received;
        return received;
}

/* Of a thousand that come and go, some are remembered, and no count is lost. */
static void test_thousand_devices_go(void **state) {
        struct device_list *list;
        struct device *device, *captured;
        const struct device *last = NULL;
        size_t n;

        (void) state;
        assert_int_equal(device_list_new(&list), 0);
        assert_int_equal(device_list_get(list, 1, "held", &captured), 0);
        captured->handles = 1;
        captured->received = 1000000;
        device_list_set_gone(list, captured, "it went, and is still read");
        for (unsigned i = 0; i < 1000; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "d%u", i);
                assert_int_equal(device_list_get(list, 100 + i, name, &device), 0);
                device->received = 1;
                assert_ptr_equal(device_list_find(list, 100 + i), device);
                device_list_set_gone(list, device, "it went");
                assert_null(device_list_find(list, 100 + i));
                device_list_forget(list);
        }
        assert_int_equal(sum(list, &n), 1001000);
        assert_int_equal(n, 1 + 32 + 1);
        for (size_t cursor = 0; (device = (struct device *) device_list_next(list, &cursor));)
                last = device;
        assert_string_equal(last->name, "(gone)");
        assert_int_equal(last->received, 1000 - 32);
        assert_string_equal(last->last_error, "the sum of 968 devices that were there before");

        /* one of a name that is remembered goes on with its counts */
        assert_int_equal(device_list_get(list, 5000, "d999", &device), 0);
        assert_int_equal(device->received, 1);
        assert_int_equal(device->ifindex, 5000);
        captured->handles = 0;
        device_list_forget(list);
        assert_int_equal(sum(list, &n), 1001000);
        device_list_free(list);
}

static void test_list_is_bounded(void **state) {
        struct device_list *list;
        struct device *device;
        size_t n;

        (void) state;
        assert_int_equal(device_list_new(&list), 0);
        for (unsigned i = 1; i <= 256; i++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "d%u", i);
                assert_int_equal(device_list_get(list, i, name, &device), 0);
        }
        assert_int_equal(device_list_get(list, 257, "d257", &device), -ENOSPC);
        device_list_set_excess(list, 44, 256);
        for (unsigned i = 0; i < 100; i++)
                device_list_add_waiting(list, "eth*", "no such device is there");
        (void) sum(list, &n);
        assert_int_equal(n, 256 + 64 + 1);
        device_list_stop(list);
        (void) sum(list, &n);
        assert_int_equal(n, 256);
        device_list_free(list);
}

/* --- devices that this kernel may not be able to make
 * ------------------------------------------------------- */

struct link {
        uint32_t ifindex, master, lower;
        const char *name, *kind, *address;
        uint16_t arp_type, vlan_id;
        uint8_t mac; /* the last byte of 02:00:00:00:00:xx; 0: none */
};

static const struct link stacked[] = {
        {1, 0, 0, "lo", NULL, "127.0.0.1", ARPHRD_LOOPBACK, 0, 0},
        {2, 4, 0, "eth0", NULL, NULL, ARPHRD_ETHER, 0, 1},
        {3, 4, 0, "eth1", NULL, NULL, ARPHRD_ETHER, 0, 1},
        {4, 0, 0, "bond0", "bond", "192.0.2.1", ARPHRD_ETHER, 0, 1},
        {5, 0, 0, "wg0", "wireguard", "10.5.0.1", ARPHRD_NONE, 0, 0},
        {6, 0, 0, "ppp0", "ppp", "10.6.0.1", ARPHRD_PPP, 0, 0},
        {7, 0, 0, "eth2", NULL, "192.0.2.1", ARPHRD_ETHER, 0, 2},
        {8, 0, 7, "eth2.5", "vlan", "10.8.0.1", ARPHRD_ETHER, 5, 2},
        {9, 0, 7, "mv0", "macvlan", "10.7.0.1", ARPHRD_ETHER, 0, 9},
        {10, 0, 7, "ipv0", "ipvlan", "10.7.0.2", ARPHRD_ETHER, 0, 2},
        {11, 0, 0, "ifb0", "ifb", NULL, ARPHRD_ETHER, 0, 11},
        {12, 0, 0, "vrf0", "vrf", NULL, ARPHRD_ETHER, 0, 12},
        {13, 12, 0, "eth3", NULL, "10.3.0.1", ARPHRD_ETHER, 0, 13},
};

static size_t put_link(const struct link *link, void *buffer) {
        const uint8_t mac[6] = {2, 0, 0, 0, 0, link->mac};
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct ifinfomsg *info;
        struct nlattr *nest, *data;

        message->nlmsg_type = RTM_NEWLINK;
        info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
        info->ifi_index = (int) link->ifindex;
        info->ifi_type = link->arp_type;
        info->ifi_flags = IFF_UP | (link->ifindex == 1 ? IFF_LOOPBACK : 0);
        mnl_attr_put_strz(message, IFLA_IFNAME, link->name);
        if (link->master)
                mnl_attr_put_u32(message, IFLA_MASTER, link->master);
        if (link->lower)
                mnl_attr_put_u32(message, IFLA_LINK, link->lower);
        if (link->mac)
                mnl_attr_put(message, IFLA_ADDRESS, sizeof(mac), mac);
        if (link->kind) {
                nest = mnl_attr_nest_start(message, IFLA_LINKINFO);
                mnl_attr_put_strz(message, IFLA_INFO_KIND, link->kind);
                data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
                if (link->vlan_id)
                        mnl_attr_put_u16(message, IFLA_VLAN_ID, link->vlan_id);
                mnl_attr_nest_end(message, data);
                mnl_attr_nest_end(message, nest);
        }
        return message->nlmsg_len;
}

static size_t put_address(const struct link *link, void *buffer) {
        struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
        struct ifaddrmsg *info;
        struct in_addr address;

        message->nlmsg_type = RTM_NEWADDR;
        info = mnl_nlmsg_put_extra_header(message, sizeof(*info));
        info->ifa_family = AF_INET;
        info->ifa_index = link->ifindex;
        assert_int_equal(inet_pton(AF_INET, link->address, &address), 1);
        mnl_attr_put(message, IFA_LOCAL, sizeof(address), &address);
        return message->nlmsg_len;
}

/* state is the interfaces of the host that the savefile is of. */
static int set_up(void **state) {
        static char dump[8192] __attribute__((aligned(8)));
        size_t size = 0;

        for (size_t i = 0; i < ELEMENTSOF(stacked); i++)
                size += put_link(&stacked[i], dump + size);
        for (size_t i = 0; i < ELEMENTSOF(stacked); i++)
                if (stacked[i].address)
                        size += put_address(&stacked[i], dump + size);
        return interfaces_new_from(dump, size, (struct interfaces **) state);
}

static int tear_down(void **state) {
        interfaces_free(*state);
        return 0;
}

static void test_what_rtnetlink_tells(void **state) {
        struct interfaces *interfaces = *state, *other;
        const struct interface *vlan = interfaces_get(interfaces, 8);
        size_t uppers = 0;

        assert_int_equal(vlan->kind, INTERFACE_VLAN);
        assert_int_equal(vlan->vlan_id, 5);
        assert_int_equal(vlan->lower, 7);
        assert_int_equal(interfaces_get(interfaces, 5)->kind, INTERFACE_TUNNEL);
        assert_int_equal(interfaces_get(interfaces, 4)->kind, INTERFACE_PLAIN);
        for (uint32_t i = interfaces_get(interfaces, 7)->first_upper; i != 0;
             i = interfaces_get(interfaces, i)->next_upper)
                uppers++;
        assert_int_equal(uppers, 3);
        assert_int_equal(interfaces_update(interfaces), 0);
        assert_int_equal(interfaces_fd(interfaces), -1);
        assert_int_equal(interfaces_new_from("", 0, &other), 0);
        assert_null(interfaces_get(other, 1));
        interfaces_free(other);
}

/* Puts a golden savefile through what `any` lets pass in the kernel and counts bytes by interface. */
static void read_golden(struct orient *orient, uint64_t ret_bytes[16]) {
        char path[512], text[PCAP_ERRBUF_SIZE];
        struct source_error error;
        struct bpf_program program;
        struct pcap_pkthdr *header;
        struct filter *filter;
        struct sample sample;
        const u_char *data;
        pcap_t *handle;

        (void) snprintf(path, sizeof(path), "%s/golden/stacked.pcap", getenv("NETFLOWD_TESTS") ?: "tests");
        handle = pcap_open_offline(path, text);
        assert_non_null(handle);
        assert_int_equal(filter_new(NULL, SNAPLEN, FILTER_ANY, NULL, &filter, &error), 0);
        assert_int_equal(filter_program(filter, pcap_datalink(handle), &program, &error), 0);
        memset(ret_bytes, 0, 16 * sizeof(*ret_bytes));
        while (pcap_next_ex(handle, &header, &data) == 1)
                if (pcap_offline_filter(&program, header, data) &&
                    orient_packet(orient, data, header->caplen, header->len, T0_USEC, &sample)) {
                        assert_true(sample.direction == DIRECTION_IN || sample.direction == DIRECTION_OUT);
                        ret_bytes[sample.ifindex] += sample.bytes;
                }
        filter_free(filter);
        pcap_close(handle);
}

/* A bond's port, what carries PPP over Ethernet and what carries a VLAN count nothing; of a tunnel both
 * packets do, and it is told which are which. */
static void test_stacked_devices_count_once(void **state) {
        struct orient orient = {.link_type = DLT_LINUX_SLL2, .interfaces = *state};
        uint64_t bytes[16];

        read_golden(&orient, bytes);
        assert_int_equal(bytes[2] + bytes[3], 0);
        assert_int_equal(bytes[4], 40 + 68);
        assert_int_equal(bytes[7], 124);
        assert_int_equal(bytes[5], 40);
        assert_int_equal(bytes[6], 40);
        assert_int_equal(bytes[8], 40);
        assert_int_equal(orient.counts.skipped_enslaved, 40 + 68);
        assert_int_equal(orient.counts.skipped_stacked, 0);
        assert_int_equal(orient.counts.tunnel_inner, 40);
}

/* --- chosen devices: which of those that see a packet counts it
 * --------------------------------------------- */

#define MAC(last)                              "\2\0\0\0\0" last
#define UDP(from, to)                          "\x45\0\0\x1c\0\1\0\0\x40\x11\0\0" from to "\x9c\x40\0\x35\0\x08\0\0"
#define FRAME(to_mac, from_mac, tag, from, to) MAC(to_mac) MAC(from_mac) tag "\x08\0" UDP(from, to)
#define REMOTE                                 "\xc6\x33\x64\2"

static const struct {
        const char *frame;
        size_t size;
        uint32_t upper;
} taken[] = {
#define TAKEN(upper, frame) \
        { frame, sizeof(frame) - 1, upper }
        TAKEN(8, FRAME("\2", "\x77", "\x81\0\0\5", REMOTE, "\x0a\x08\0\1")),
        TAKEN(8, FRAME("\x77", "\2", "\x81\0\0\5", "\x0a\x08\0\1", REMOTE)),
        TAKEN(9, FRAME("\x09", "\x77", "", REMOTE, "\x0a\x07\0\1")),
        TAKEN(9, FRAME("\x77", "\x09", "", "\x0a\x07\0\1", REMOTE)),
        TAKEN(10, FRAME("\2", "\x77", "", REMOTE, "\x0a\x07\0\2")),
        TAKEN(10, FRAME("\x77", "\2", "", "\x0a\x07\0\2", REMOTE)),
        TAKEN(0, FRAME("\2", "\x77", "", REMOTE, "\xc0\0\2\1")),
        TAKEN(0, FRAME("\2", "\x77", "", REMOTE,
                       "\x0a\x08\0\1")), /* routed to the VLAN's address, not through it */
        TAKEN(0, FRAME("\2", "\x77", "\x81\0\0\6", REMOTE, "\xc0\0\2\1")),
        TAKEN(0, FRAME("\2", "\x77", "\x81\0\0\0", REMOTE, "\xc0\0\2\1")), /* a priority only */
#undef TAKEN
};

/* Bytes of a frame that count on that device, while these are captured. */
static uint64_t counts_on(struct interfaces *interfaces, uint32_t ifindex, const void *frame, size_t size,
                          const uint32_t *captured, size_t n) {
        struct orient orient = {.link_type = DLT_EN10MB, .ifindex = ifindex, .interfaces = interfaces};
        struct device_list *list;
        struct sample sample = {};
        bool counts;

        assert_int_equal(device_list_new(&list), 0);
        for (size_t i = 0; i < n; i++) {
                struct device *device;

                assert_int_equal(device_list_get(list, captured[i],
                                                 interfaces_get(interfaces, captured[i])->name, &device),
                                 0);
                device->handles = 1;
        }
        orient.devices = list;
        counts = orient_packet(&orient, frame, size, size, T0_USEC, &sample);
        assert_int_equal(orient.counts.skipped_stacked + orient.counts.skipped_enslaved, counts ? 0 : 28);
        assert_true(!counts || (sample.ifindex == ifindex && sample.bytes == 28));
        device_list_free(list);
        return counts ? sample.bytes : 0;
}

static void test_frames_on_the_device_below(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(taken); i++) {
                const void *frame = taken[i].frame;
                size_t size = taken[i].size;

                /* chosen alone, it has all */
                assert_int_equal(counts_on(*state, 7, frame, size, (uint32_t[]){7}, 1), 28);
                assert_int_equal(counts_on(*state, 7, frame, size, (uint32_t[]){7, 8, 9, 10}, 4),
                                 taken[i].upper ? 0 : 28);
                /* beside those that do not take it */
                for (uint32_t upper = 8; upper <= 10; upper++)
                        assert_int_equal(counts_on(*state, 7, frame, size, (uint32_t[]){7, upper}, 2),
                                         taken[i].upper == upper ? 0 : 28);
        }
}

static void test_frames_on_a_port(void **state) {
        static const char frame[] = FRAME("\1", "\x77", "", REMOTE, "\xc0\0\2\1");

        assert_int_equal(counts_on(*state, 2, frame, sizeof(frame) - 1, (uint32_t[]){2}, 1), 28);
        assert_int_equal(counts_on(*state, 2, frame, sizeof(frame) - 1, (uint32_t[]){2, 4}, 2), 0);
        assert_int_equal(counts_on(*state, 13, frame, sizeof(frame) - 1, (uint32_t[]){12, 13}, 2), 28);
}

static const char *choice(struct interfaces *interfaces, const char *const *patterns, char text[256]) {
        _cleanup_free_ struct chosen *chosen = NULL;
        size_t n, at = 0;

        assert_int_equal(choose_interfaces(interfaces, patterns, &chosen, &n), 0);
        *text = '\0';
        for (size_t i = 0; i < n; i++)
                at += (size_t) snprintf(text + at, 256 - at, "%s%s%s%s", i > 0 ? " " : "",
                                        chosen[i].interface->name, chosen[i].covered_by ? "<" : "",
                                        chosen[i].covered_by ? chosen[i].covered_by->name : "");
        return text;
}

static void test_choice(void **state) {
        char text[256];

        assert_string_equal(choice(*state, LIST("eth*", "!eth2*"), text), "eth0 eth1 eth3");
        assert_string_equal(choice(*state, LIST("eth*", "bond0", "!eth2*"), text),
                            "eth0<bond0 eth1<bond0 bond0 eth3");
        assert_string_equal(choice(*state, LIST("vrf0", "eth3"), text), "vrf0 eth3");
        assert_string_equal(choice(*state, LIST("ifb*"), text), "ifb0");
        assert_string_equal(choice(*state, LIST("lo", "ifb0"), text), "lo ifb0<ifb0");
        assert_string_equal(choice(*state, LIST("nothing"), text), "");
}

/* --- addresses
 * ---------------------------------------------------------------------------------------------- */

static bool is_counted(struct interfaces *interfaces, const char *address, uint32_t ifindex,
                       const char *frame, struct sample *ret_sample, struct orient_counts *ret_counts) {
        struct orient orient = {.link_type = DLT_EN10MB, .ifindex = ifindex, .interfaces = interfaces};
        struct addresses addresses;
        struct source_error error;
        bool counted;

        assert_int_equal(addresses_parse(LIST(address), &addresses, &error), 0);
        orient.addresses = &addresses;
        counted = orient_packet(&orient, (const uint8_t *) frame, 42, 42, T0_USEC, ret_sample);
        *ret_counts = orient.counts;
        return counted;
}

static void test_addresses_asked_for(void **state) {
        static const char in[] = FRAME("\2", "\x77", "", REMOTE, "\xc0\0\2\1"),
                          out[] = FRAME("\x77", "\2", "", "\xc0\0\2\1", REMOTE),
                          through[] = FRAME("\2", "\x77", "", REMOTE, "\x08\x08\x08\x08"),
                          local[] = FRAME("\0", "\0", "", "\x7f\0\0\1", "\xc0\0\2\1");
        struct orient_counts counts;
        struct sample sample;

        assert_true(is_counted(*state, "192.0.2.1", 7, in, &sample, &counts));
        assert_int_equal(sample.direction, DIRECTION_IN);
        assert_false(sample.loopback);
        assert_int_equal(counts.skipped_address, 0);
        assert_true(is_counted(*state, "192.0.2.0/24", 7, out, &sample, &counts));
        assert_int_equal(sample.direction, DIRECTION_OUT);
        assert_false(is_counted(*state, "10.7.0.1", 7, in, &sample, &counts));
        assert_int_equal(counts.skipped_address, 28);
        assert_false(is_counted(*state, "198.51.100.2", 7, in, &sample, &counts));   /* theirs, not ours */
        assert_false(is_counted(*state, "0.0.0.0/0", 7, through, &sample, &counts)); /* no local one */
        assert_int_equal(counts.skipped_address, 28);

        /* of a packet between two local ends, the halves that are asked for */
        assert_true(is_counted(*state, "127.0.0.0/8", 1, local, &sample, &counts));
        assert_int_equal(sample.direction, DIRECTION_OUT);
        assert_true(sample.loopback);
        assert_int_equal(counts.skipped_address, 28);
        assert_true(is_counted(*state, "192.0.2.1", 1, local, &sample, &counts));
        assert_int_equal(sample.direction, DIRECTION_IN);
        assert_int_equal(sample.key.local_port, 53);
        assert_true(is_counted(*state, "0.0.0.0/0", 1, local, &sample, &counts));
        assert_int_equal(sample.direction, DIRECTION_LOCAL);
        assert_int_equal(counts.skipped_address, 0);
        assert_false(is_counted(*state, "10.7.0.1", 1, local, &sample, &counts));
        assert_int_equal(counts.skipped_address, 2 * 28);
}

/* Who asks for an address by DHCP has none yet: its MAC address tells whether that is us. */
static void test_dhcp(void **state) {
        static const char ours[] = FRAME("\xff", "\2", "", "\0\0\0\0", "\xff\xff\xff\xff"),
                          theirs[] = FRAME("\xff", "\x77", "", "\0\0\0\0", "\xff\xff\xff\xff");
        struct orient_counts counts;
        struct sample sample;

        assert_true(is_counted(*state, "0.0.0.0/0", 7, ours, &sample, &counts));
        assert_int_equal(sample.direction, DIRECTION_OUT);
        assert_true(is_counted(*state, "0.0.0.0/0", 7, theirs, &sample, &counts));
        assert_int_equal(sample.direction, DIRECTION_IN);
}

#define HOST_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_patterns),
                cmocka_unit_test(test_patterns_that_cannot_match),
                cmocka_unit_test(test_addresses),
                cmocka_unit_test(test_thousand_devices_go),
                cmocka_unit_test(test_list_is_bounded),
                HOST_TEST(test_what_rtnetlink_tells),
                HOST_TEST(test_stacked_devices_count_once),
                HOST_TEST(test_frames_on_the_device_below),
                HOST_TEST(test_frames_on_a_port),
                HOST_TEST(test_choice),
                HOST_TEST(test_addresses_asked_for),
                HOST_TEST(test_dhcp),
        };

        return cmocka_run_group_tests_name("devices", tests, NULL, NULL);
}
