/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <glob.h>
#include <pcap/pcap.h>

#include "decode/cursor.h"
#include "decode/decode.h"
#include "support/test.h"
#include "util/macros.h"

#define LINK_EN10MB     1
#define LINK_RAW        12
#define LINK_LINUX_SLL2 276

/* 192.0.2.1:40000 > 192.0.2.2:80, SYN */
static const uint8_t syn[40] = {
        0x45, 0,    0, 40, 0, 1, 0, 0, 64, IPPROTO_TCP, 0, 0, 192,  0,    2, 1, 192, 0, 2, 2, /* IP */
        0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0,  0,           0, 0, 0x50, 0x02, 2, 0, 0,   0, 0, 0, /* TCP */
};

/* Decodes from a heap block of just that size, so that a read outside is one outside of the block. */
static int decode_block(int link_type, const uint8_t *data, size_t captured, size_t wire,
                        struct packet *ret_packet, enum unattributed *ret_reason) {
        static const struct flow_key none;
        uint8_t *block = malloc(captured ?: 1);
        int r;

        assert_non_null(block);
        memcpy(block, data, captured);
        memset(ret_packet, 0xa5, sizeof(*ret_packet)); /* all of it must be set */
        *ret_reason = UNATTRIBUTED_MAX;
        r = decode_packet(link_type, block, captured, wire, ret_packet, ret_reason);
        free(block);

        assert_true(ret_packet->bytes <= wire);
        if (r < 0) {
                assert_int_equal(r, -EBADMSG);
                assert_true(*ret_reason < UNATTRIBUTED_MAX);
                assert_memory_equal(&ret_packet->key, &none, sizeof(none));
                assert_int_equal(ret_packet->fragment, FRAGMENT_NONE);
                assert_false(ret_packet->connection_start);
        } else
                assert_int_equal(r, 0);
        return r;
}

static int decode_whole(int link_type, const uint8_t *data, size_t size, struct packet *ret_packet) {
        enum unattributed reason;

        return decode_block(link_type, data, size, size, ret_packet, &reason);
}

static bool is_decoded(int link_type) {
        enum unattributed reason = UNATTRIBUTED_MAX;
        struct packet packet;

        return decode_block(link_type, syn, 0, 0, &packet, &reason) == 0 || reason != UNATTRIBUTED_LINK_TYPE;
}

static void test_key_is_v4_mapped_source_and_destination(void **state) {
        struct flow_key key = test_key(1, 40000, 2, 80, IPPROTO_TCP);
        struct packet packet;

        (void) state;
        assert_int_equal(decode_whole(LINK_RAW, syn, sizeof(syn), &packet), 0);
        assert_memory_equal(&packet.key, &key, sizeof(key));
        assert_int_equal(packet.bytes, 40);
        assert_int_equal(packet.ifindex, 0);
        assert_int_equal(packet.type, PACKET_TYPE_UNKNOWN);
        assert_int_equal(packet.fragment, FRAGMENT_NONE);
        assert_int_equal(packet.fragment_id, 0);
        assert_true(packet.connection_start);
}

/* What libpcap calls raw IP here, what OpenBSD does, and what savefiles do. libpcap does not open the second
 * of these as a savefile on Linux, so there is no golden one. */
static void test_all_values_of_raw(void **state) {
        static const int values[] = {12, 14, 101};
        struct packet packet;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(values); i++) {
                assert_true(is_decoded(values[i]));
                assert_int_equal(decode_whole(values[i], syn, sizeof(syn), &packet), 0);
                assert_int_equal(packet.key.remote_port, 80);
        }
}

/* The answer must not depend on which bits of the flags are set beside SYN, only on ACK. */
static void test_connection_start_is_syn_without_ack(void **state) {
        uint8_t segment[sizeof(syn)];
        struct packet packet;

        (void) state;
        memcpy(segment, syn, sizeof(syn));
        for (int flags = 0; flags < 256; flags++) {
                segment[33] = (uint8_t) flags;
                assert_int_equal(decode_whole(LINK_RAW, segment, sizeof(segment), &packet), 0);
                assert_int_equal(packet.connection_start, (flags & 0x02) && !(flags & 0x10));
        }
}

/* A snaplen that leaves the ports leaves the flow; one that does not is said to be the snaplen's doing. */
static void test_snaplen(void **state) {
        enum unattributed reason;
        struct packet packet;

        (void) state;
        for (size_t captured = 0; captured <= sizeof(syn); captured++) {
                int r = decode_block(LINK_RAW, syn, captured, sizeof(syn), &packet, &reason);

                assert_int_equal(packet.bytes, 40);
                assert_int_equal(r, captured < 24 ? -EBADMSG : 0);
                if (r < 0)
                        assert_int_equal(reason, UNATTRIBUTED_TRUNCATED);
                else
                        assert_int_equal(packet.connection_start, captured >= 34);
        }
}

/* The same packet is malformed where it never was any longer. */
static void test_short_packet(void **state) {
        uint8_t packet_bytes[sizeof(syn)];
        enum unattributed reason;
        struct packet packet;

        (void) state;
        memcpy(packet_bytes, syn, sizeof(syn));
        for (size_t size = 0; size < sizeof(syn); size++) {
                packet_bytes[3] = (uint8_t) size; /* the header does not claim more */
                assert_int_equal(decode_block(LINK_RAW, packet_bytes, size, size, &packet, &reason),
                                 -EBADMSG);
                assert_int_equal(reason, UNATTRIBUTED_MALFORMED);
                assert_int_equal(packet.bytes, size);
        }
}

/* Padding of any length is not counted; a super-packet that cannot say its length is, whole. */
static void test_length(void **state) {
        uint8_t frame[14 + sizeof(syn) + 1500] = {[12] = 0x08};
        enum unattributed reason;
        struct packet packet;

        (void) state;
        memcpy(frame + 14, syn, sizeof(syn));
        for (size_t size = 14 + sizeof(syn); size <= sizeof(frame); size++) {
                assert_int_equal(decode_whole(LINK_EN10MB, frame, size, &packet), 0);
                assert_int_equal(packet.bytes, 40);
        }
        frame[14 + 3] = 0; /* total length */
        assert_int_equal(decode_block(LINK_EN10MB, frame, 100, 200000, &packet, &reason), 0);
        assert_int_equal(packet.bytes, 200000 - 14);
        assert_int_equal(decode_whole(LINK_EN10MB, frame, sizeof(frame), &packet), 0);
        assert_int_equal(packet.bytes, sizeof(frame) - 14);
}

/* Any total length that is neither 0 nor within the frame contradicts it, by a single byte as well. */
static void test_total_length_is_checked(void **state) {
        uint8_t packet_bytes[sizeof(syn)];
        enum unattributed reason;
        struct packet packet;

        (void) state;
        memcpy(packet_bytes, syn, sizeof(syn));
        for (unsigned total = 1; total <= UINT16_MAX; total++) {
                packet_bytes[2] = (uint8_t) (total >> 8);
                packet_bytes[3] = (uint8_t) total;
                if (total == sizeof(syn))
                        continue;
                assert_int_equal(
                        decode_block(LINK_RAW, packet_bytes, sizeof(syn), sizeof(syn), &packet, &reason),
                        -EBADMSG);
                assert_int_equal(reason, UNATTRIBUTED_MALFORMED);
                /* where it ends within the segment, IP is still in order, and counted so */
                assert_int_equal(packet.bytes, total < 20 || total > sizeof(syn) ? sizeof(syn) : total);
        }
}

/* Without them the ledger could not tell by interface and direction what it could not decode. */
static void test_failure_keeps_what_the_link_header_says(void **state) {
        uint8_t frame[20 + sizeof(syn)] = {0x08, 0x00, [7] = 9, [10] = 4};
        enum unattributed reason;
        struct packet packet;

        (void) state;
        memcpy(frame + 20, syn, sizeof(syn));
        frame[20] = 0x44; /* IHL */
        assert_int_equal(
                decode_block(LINK_LINUX_SLL2, frame, sizeof(frame), sizeof(frame), &packet, &reason),
                -EBADMSG);
        assert_int_equal(reason, UNATTRIBUTED_MALFORMED);
        assert_int_equal(packet.ifindex, 9);
        assert_int_equal(packet.type, PACKET_TYPE_FROM_US);
        assert_int_equal(packet.bytes, sizeof(syn));
}

/* What decode.h says later fragments are joined by. */
static void test_fragments_can_be_joined(void **state) {
        uint8_t bytes[40 + 8 + 8 + 8] = {0x60, [5] = 24, IPPROTO_FRAGMENT, 64, [23] = 1, [39] = 2};
        uint8_t *fragment = bytes + 40, *behind = bytes + 48;
        struct packet first, later;

        (void) state;
        fragment[0] = IPPROTO_DSTOPTS;
        fragment[3] = 1; /* more fragments */
        fragment[7] = 77;
        behind[0] = IPPROTO_UDP;
        behind[2] = 1, behind[3] = 4; /* PadN */
        behind[9] = 53, behind[11] = 54, behind[13] = 200;
        assert_int_equal(decode_whole(LINK_RAW, bytes, sizeof(bytes), &first), 0);
        assert_int_equal(first.fragment, FRAGMENT_FIRST);
        assert_int_equal(first.key.protocol, IPPROTO_UDP);
        assert_int_equal(first.key.local_port, 53);
        assert_int_equal(first.key.remote_port, 54);

        fragment[3] = 16; /* offset 16, the last one */
        assert_int_equal(decode_whole(LINK_RAW, bytes, sizeof(bytes), &later), 0);
        assert_int_equal(later.fragment, FRAGMENT_LATER);
        assert_int_equal(later.key.protocol, IPPROTO_DSTOPTS);
        assert_int_equal(later.key.local_port, 0);
        assert_int_equal(later.key.remote_port, 0);
        assert_int_equal(first.fragment_id, 77);
        assert_int_equal(later.fragment_id, 77);
        assert_memory_equal(&first.key.local, &later.key.local, sizeof(first.key.local));
        assert_memory_equal(&first.key.remote, &later.key.remote, sizeof(first.key.remote));
}

/* A read that fails must not move on: the next one would take the wrong bytes for right. */
static void test_cursor(void **state) {
        static const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7};
        struct cursor cursor = {.data = bytes, .left = sizeof(bytes), .wire = 100};
        uint8_t copy[8] = {}, one = 0;
        uint16_t two;
        uint32_t four;

        (void) state;
        assert_true(cursor_be32(&cursor, &four));
        assert_int_equal(four, 0x01020304);
        assert_false(cursor_be32(&cursor, &four));
        assert_false(cursor_copy(&cursor, copy, 4));
        assert_false(cursor_skip(&cursor, 4));
        assert_false(cursor_peek(&cursor, 3, &one));
        assert_int_equal(cursor.left, 3);
        assert_int_equal(cursor.wire, 96);
        assert_true(cursor_peek(&cursor, 2, &one));
        assert_int_equal(one, 7);
        assert_true(cursor_be16(&cursor, &two));
        assert_int_equal(two, 0x0506);
        cursor_end(&cursor, 0);
        assert_false(cursor_u8(&cursor, &one));
        assert_int_equal(copy[0], 0);
}

static void test_number_in_either_byte_order(void **state) {
        static const uint8_t bytes[] = {0, 0, 0, 30, 30, 0, 0, 0};
        struct cursor cursor = {.data = bytes, .left = sizeof(bytes), .wire = sizeof(bytes)};
        uint32_t value;

        (void) state;
        assert_true(cursor_small32(&cursor, &value));
        assert_int_equal(value, 30);
        assert_true(cursor_small32(&cursor, &value));
        assert_int_equal(value, 30);
        assert_false(cursor_small32(&cursor, &value));
}

/* Cut by a snaplen alone: what can still be read is what was there, and what cannot is missing, not wrong.
 */
static void check_cut(const struct packet *whole, const struct packet *part, int r,
                      enum unattributed reason) {
        if (r < 0) {
                assert_int_equal(reason, UNATTRIBUTED_TRUNCATED);
                return;
        }
        assert_memory_equal(&part->key, &whole->key, sizeof(part->key));
        assert_int_equal(part->bytes, whole->bytes);
        assert_int_equal(part->fragment, whole->fragment);
        assert_int_equal(part->fragment_id, whole->fragment_id);
        assert_int_equal(part->type, whole->type);
        assert_int_equal(part->ifindex, whole->ifindex);
        assert_true(whole->connection_start || !part->connection_start);
}

static int check_prefixes(int link_type, const struct pcap_pkthdr *header, const uint8_t *data) {
        enum unattributed reason;
        struct packet whole, part;
        int whole_r, r, prefixes = 0;

        whole_r = decode_block(link_type, data, header->caplen, header->len, &whole, &reason);
        for (size_t length = 0; length < header->caplen; length++, prefixes++) {
                (void) decode_block(link_type, data, length, length, &part, &reason);
                r = decode_block(link_type, data, length, header->len, &part, &reason);
                if (whole_r == 0)
                        check_cut(&whole, &part, r, reason);
        }
        return prefixes;
}

static int check_file(const char *path) {
        char error[PCAP_ERRBUF_SIZE];
        pcap_t *handle = pcap_open_offline(path, error);
        struct pcap_pkthdr *header;
        const uint8_t *data;
        int r, prefixes = 0;

        assert_non_null(handle);
        while ((r = pcap_next_ex(handle, &header, &data)) == 1)
                prefixes += check_prefixes(pcap_datalink(handle), header, data);
        assert_int_equal(r, PCAP_ERROR_BREAK); /* the end, and no error */
        pcap_close(handle);
        return prefixes;
}

static void test_every_prefix_of_every_golden_packet(void **state) {
        const char *tests = getenv("NETFLOWD_TESTS") ?: "tests";
        char pattern[512];
        int prefixes = 0;
        glob_t files;

        (void) state;
        (void) snprintf(pattern, sizeof(pattern), "%s/golden/*.pcap", tests);
        assert_int_equal(glob(pattern, 0, NULL, &files), 0);
        for (size_t i = 0; i < files.gl_pathc; i++)
                prefixes += check_file(files.gl_pathv[i]);
        globfree(&files);
        assert_true(prefixes > 15000); /* else the savefiles are not those */
}

/* Bytes at random, for every link type: nothing is promised but an answer. */
static void test_noise_is_answered(void **state) {
        enum unattributed reason;
        uint64_t seed = 42;
        int known = 0;

        (void) state;
        for (int link_type = 0; link_type < 300; link_type++) {
                if (!is_decoded(link_type))
                        continue;
                known++;
                for (size_t i = 0; i < 5000; i++) {
                        uint8_t noise[96];
                        struct packet packet;

                        for (size_t j = 0; j < sizeof(noise); j++) {
                                seed = seed * 6364136223846793005 + 1442695040888963407;
                                noise[j] = (uint8_t) (seed >> 56);
                        }
                        noise[0] =
                                (uint8_t) (i % 2 ? 0x45 : 0x60); /* else hardly any would be taken for IP */
                        (void) decode_block(link_type, noise, i % (sizeof(noise) + 1), sizeof(noise),
                                            &packet, &reason);
                }
        }
        assert_int_equal(known, 13);
}

static void test_unknown_link_type_is_refused(void **state) {
        enum unattributed reason;
        struct packet packet;

        (void) state;
        assert_false(is_decoded(105)); /* IEEE 802.11 */
        assert_false(is_decoded(-1));
        assert_int_equal(decode_block(105, syn, sizeof(syn), sizeof(syn), &packet, &reason), -EBADMSG);
        assert_int_equal(reason, UNATTRIBUTED_LINK_TYPE);
        assert_int_equal(packet.bytes, sizeof(syn));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_key_is_v4_mapped_source_and_destination),
                cmocka_unit_test(test_all_values_of_raw),
                cmocka_unit_test(test_connection_start_is_syn_without_ack),
                cmocka_unit_test(test_snaplen),
                cmocka_unit_test(test_short_packet),
                cmocka_unit_test(test_length),
                cmocka_unit_test(test_total_length_is_checked),
                cmocka_unit_test(test_failure_keeps_what_the_link_header_says),
                cmocka_unit_test(test_fragments_can_be_joined),
                cmocka_unit_test(test_cursor),
                cmocka_unit_test(test_number_in_either_byte_order),
                cmocka_unit_test(test_every_prefix_of_every_golden_packet),
                cmocka_unit_test(test_noise_is_answered),
                cmocka_unit_test(test_unknown_link_type_is_refused),
        };

        return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
