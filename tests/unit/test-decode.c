/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <glob.h>
#include <pcap/pcap.h>

#include "decode/decode.h"
#include "support/test.h"

static bool same_key(const struct packet *a, const struct packet *b) {
        return memcmp(&a->key, &b->key, sizeof(a->key)) == 0;
}

/* Decodes a prefix from a heap block of just its size, so that a read beyond it is one beyond the block. */
static int decode_prefix(int link_type, const u_char *data, size_t length, size_t wire,
                         struct packet *ret_packet) {
        uint8_t *block = malloc(length ?: 1);
        enum unattributed reason = UNATTRIBUTED_MAX;
        int r;

        memcpy(block, data, length);
        r = decode_packet(link_type, block, length, wire, ret_packet, &reason);
        free(block);
        if (r < 0) {
                assert_int_equal(r, -EBADMSG);
                assert_true(reason < UNATTRIBUTED_MAX);
        }
        assert_true(ret_packet->bytes <= wire);
        return r;
}

static int check_prefixes(int link_type, const struct pcap_pkthdr *header, const u_char *data) {
        struct packet whole, part;
        int r = decode_prefix(link_type, data, header->caplen, header->len, &whole), prefixes = 0;

        for (size_t length = 0; length < header->caplen; length++, prefixes++) {
                (void) decode_prefix(link_type, data, length, length, &part);
                /* cut by a snaplen alone: what can still be read is what was there */
                if (decode_prefix(link_type, data, length, header->len, &part) >= 0) {
                        assert_int_equal(r, 0);
                        assert_true(same_key(&part, &whole));
                        assert_int_equal(part.bytes, whole.bytes);
                }
        }
        return prefixes;
}

static int check_file(const char *path) {
        char error[PCAP_ERRBUF_SIZE];
        pcap_t *handle = pcap_open_offline(path, error);
        struct pcap_pkthdr *header;
        const u_char *data;
        int prefixes = 0;

        assert_non_null(handle);
        while (pcap_next_ex(handle, &header, &data) == 1)
                prefixes += check_prefixes(pcap_datalink(handle), header, data);
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
        assert_true(prefixes > 5000);
        print_message("%d prefixes\n", prefixes);
}

/* Bytes at random, for every link type: nothing is promised but an answer. */
static void test_noise_is_answered(void **state) {
        uint64_t seed = 42;
        int known = 0;

        (void) state;
        for (int link_type = 0; link_type < 300; link_type++) {
                if (!decode_supports(link_type))
                        continue;
                known++;
                for (int i = 0; i < 5000; i++) {
                        uint8_t noise[96];
                        struct packet packet;

                        for (size_t j = 0; j < sizeof(noise); j++) {
                                seed = seed * 6364136223846793005 + 1442695040888963407;
                                noise[j] = (uint8_t) (seed >> 56);
                        }
                        noise[0] =
                                (uint8_t) (i % 2 ? 0x45 : 0x60); /* else hardly any would be taken for IP */
                        (void) decode_prefix(link_type, noise, (size_t) i % (sizeof(noise) + 1),
                                             sizeof(noise), &packet);
                }
        }
        assert_int_equal(known, 12);
}

static void test_unknown_link_type_is_refused(void **state) {
        enum unattributed reason;
        struct packet packet;
        uint8_t byte = 0x45;

        (void) state;
        assert_false(decode_supports(105)); /* IEEE 802.11 */
        assert_false(decode_supports(-1));
        assert_int_equal(decode_packet(105, &byte, 1, 1, &packet, &reason), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_prefix_of_every_golden_packet),
                cmocka_unit_test(test_noise_is_answered),
                cmocka_unit_test(test_unknown_link_type_is_refused),
        };

        return cmocka_run_group_tests_name("decode", tests, NULL, NULL);
}
