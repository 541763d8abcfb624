/* SPDX-License-Identifier: MIT */
#include <netinet/in.h>

#include "decode/link.h"
#include "decode/repeat.h"
#include "support/test.h"
#include "util/macros.h"

/* What is told of a packet by one before it is what decode_packet() says: for packets that differ from one
 * that was decoded in each byte, in each of its values, and in what was captured of them. */

#define PACKET_MAX 128

struct packet_bytes {
        uint8_t bytes[PACKET_MAX];
        size_t size;
        int link_type;
};

static void put(struct packet_bytes *packet, const void *bytes, size_t n) {
        assert_true(packet->size + n <= PACKET_MAX);
        memcpy(packet->bytes + packet->size, bytes, n);
        packet->size += n;
}

static void put_link(struct packet_bytes *packet, uint16_t ethertype) {
        const uint8_t type[] = {(uint8_t) (ethertype >> 8), (uint8_t) ethertype};
        static const uint8_t sll2[] = {0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0};
        static const uint8_t addresses[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};

        if (packet->link_type == LINK_LINUX_SLL2) {
                put(packet, type, sizeof(type));
                put(packet, sll2, sizeof(sll2));
        } else {
                put(packet, addresses, sizeof(addresses));
                put(packet, type, sizeof(type));
        }
}

static struct packet_bytes make_packet(int link_type, bool ipv6, uint8_t protocol) {
        static const uint8_t tcp[] = {0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0,   2,   0x60, 0x10,
                                      2,    0,    0, 0,  0, 0, 1, 1, 1, 0, 'd', 'a', 't',  'a'},
                             udp[] = {0x9c, 0x40, 0,   53,  0,   16,  0,   0,
                                      'q',  'u',  'e', 's', 't', 'i', 'o', 'n'};
        const uint8_t *transport = protocol == IPPROTO_TCP ? tcp : udp;
        uint8_t length = protocol == IPPROTO_TCP ? sizeof(tcp) : sizeof(udp);
        const uint8_t ipv4_header[20] = {0x45, 0, 0,   20 + length, 0, 1, 0,   0, 64, protocol,
                                         0,    0, 192, 0,           2, 1, 192, 0, 2,  2},
                      ipv6_header[40] = {
                              0x60, 0,   0,    0,        0,           length, protocol, 64,   0x20,
                              1,    0xd, 0xb8, [23] = 1, [24] = 0x20, 1,      0xd,      0xb8, [39] = 2};
        struct packet_bytes packet = {.link_type = link_type};

        put_link(&packet, ipv6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4);
        if (ipv6)
                put(&packet, ipv6_header, sizeof(ipv6_header));
        else
                put(&packet, ipv4_header, sizeof(ipv4_header));
        put(&packet, transport, length);
        return packet;
}

static void assert_same(const struct packet *a, const struct packet *b) {
        assert_memory_equal(&a->key, &b->key, sizeof(a->key));
        assert_int_equal(a->ifindex, b->ifindex);
        assert_int_equal(a->fragment, b->fragment);
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->has_link_source, b->has_link_source);
        assert_int_equal(a->has_link_destination, b->has_link_destination);
        assert_memory_equal(a->link_source, b->link_source, sizeof(a->link_source));
        assert_memory_equal(a->link_destination, b->link_destination, sizeof(a->link_destination));
        assert_int_equal(a->tagged, b->tagged);
        assert_int_equal(a->vlan_id, b->vlan_id);
}

/* Read from a heap block of just that size. Returns whether it was told by the one before. */
static bool check(const struct repeat *repeat, const struct packet *before,
                  const struct packet_bytes *packet, size_t captured, size_t wire) {
        uint8_t *block = malloc(captured ?: 1);
        enum unattributed reason;
        bool told;
        struct packet decoded;
        uint32_t bytes;

        assert_non_null(block);
        memcpy(block, packet->bytes, captured);
        told = repeat_is(repeat, block, captured, wire, &bytes);
        if (told) {
                assert_int_equal(decode_packet(packet->link_type, block, captured, wire, &decoded, &reason),
                                 0);
                assert_same(&decoded, before);
                assert_int_equal(decoded.bytes, bytes);
                assert_false(decoded.connection_start);
        }
        free(block);
        return told;
}

static struct packet remember(const struct packet_bytes *packet, struct repeat *ret_repeat) {
        enum unattributed reason;
        struct packet decoded;

        *ret_repeat = (struct repeat){};
        assert_int_equal(decode_packet(packet->link_type, packet->bytes, packet->size, packet->size,
                                       &decoded, &reason),
                         0);
        assert_true(repeat_set(ret_repeat, packet->link_type, packet->bytes, packet->size, &decoded));
        return decoded;
}

static void check_all(const struct packet_bytes *first) {
        struct repeat repeat;
        const struct packet before = remember(first, &repeat);
        size_t told = 0;

        for (size_t at = 0; at < first->size; at++)
                for (unsigned value = 0; value < 256; value++) {
                        struct packet_bytes changed = *first;

                        changed.bytes[at] = (uint8_t) value;
                        told += check(&repeat, &before, &changed, first->size, first->size);
                        (void) check(&repeat, &before, &changed, first->size, first->size + 1000);
                        (void) check(&repeat, &before, &changed, first->size, 70000);
                        (void) check(&repeat, &before, &changed, 64, first->size);
                }
        assert_true(told > 256 * 10); /* id, ttl and sum, sequence numbers, data: whatever does not decide */
        for (size_t captured = 0; captured <= first->size; captured++)
                for (size_t wire = captured; wire <= first->size + 20; wire++)
                        (void) check(&repeat, &before, first, captured, wire);
        assert_true(check(&repeat, &before, first, first->size, first->size));
        assert_false(check(&repeat, &before, first, first->size,
                           first->size - 1)); /* a savefile may claim that */
}

static void test_as_decoded(void **state) {
        static const int link_types[] = {LINK_LINUX_SLL2, LINK_EN10MB};
        static const uint8_t protocols[] = {IPPROTO_TCP, IPPROTO_UDP};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(link_types); i++)
                for (size_t k = 0; k < ELEMENTSOF(protocols); k++)
                        for (int ipv6 = 0; ipv6 < 2; ipv6++) {
                                struct packet_bytes packet = make_packet(link_types[i], ipv6, protocols[k]);

                                check_all(&packet);
                        }
}

/* Its length is its own; a SYN is another thing. */
static void test_what_differs(void **state) {
        struct packet_bytes packet = make_packet(LINK_LINUX_SLL2, false, IPPROTO_TCP);
        struct repeat repeat;
        uint32_t bytes;

        (void) state;
        (void) remember(&packet, &repeat);
        packet.bytes[20 + 3] -= 4;
        assert_true(repeat_is(&repeat, packet.bytes, packet.size, packet.size, &bytes));
        assert_int_equal(bytes, 20 + 24);
        packet.bytes[20 + 20 + 13] = 0x02;
        assert_false(repeat_is(&repeat, packet.bytes, packet.size, packet.size, &bytes));
        packet.bytes[20 + 20 + 13] = 0x12;
        assert_true(repeat_is(&repeat, packet.bytes, packet.size, packet.size, &bytes));
        packet.bytes[20 + 19]++;
        assert_false(repeat_is(&repeat, packet.bytes, packet.size, packet.size, &bytes));
}

/* Nothing is told by a packet whose headers are others, which leaves what there was. */
static void test_not_set(void **state) {
        struct packet_bytes packet = make_packet(LINK_LINUX_SLL2, false, IPPROTO_UDP), other = packet;
        struct repeat repeat = {};
        enum unattributed reason;
        struct packet decoded;
        uint32_t bytes;

        (void) state;
        assert_false(repeat_is(&repeat, packet.bytes, packet.size, packet.size, &bytes));
        (void) remember(&packet, &repeat);
        other.bytes[20 + 6] = 0x20; /* a fragment */
        assert_int_equal(
                decode_packet(other.link_type, other.bytes, other.size, other.size, &decoded, &reason), 0);
        assert_false(repeat_set(&repeat, other.link_type, other.bytes, other.size, &decoded));
        assert_false(repeat_set(&repeat, LINK_RAW, packet.bytes + 20, packet.size - 20, &decoded));
        assert_true(repeat_is(&repeat, packet.bytes, packet.size, packet.size, &bytes));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_as_decoded),
                cmocka_unit_test(test_what_differs),
                cmocka_unit_test(test_not_set),
        };

        return cmocka_run_group_tests_name("repeat", tests, NULL, NULL);
}
