/* SPDX-License-Identifier: MIT */
#include "decode/network.h"

#include <errno.h>

#define IPV4_HEADER_MIN 20
#define IPV6_HEADER     40

/* RFC 791 section 3.1, flags and fragment offset */
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET         0x1fff

/* RFC 8200 section 4.5 */
#define IPV6_MORE_FRAGMENTS 0x0001
#define IPV6_OFFSET         0xfff8

/* RFC 8200 allows each extension header once, destination options twice: more is refused. */
#define EXTENSIONS_MAX 10

/* The shortest Ethernet frame without its checksum is 60 bytes (IEEE 802.3, ETH_ZLEN in linux/if_ether.h):
 * up to 46 of IP may be padded. In longer frames nothing is, so there the frame is believed and not the
 * header: the length in the header of a GSO super-packet can be 0 or that of one segment. */
#define PADDED_MAX 46

static int malformed(enum unattributed *ret_reason) {
        *ret_reason = UNATTRIBUTED_MALFORMED;
        return -EBADMSG;
}

int cut_short(const struct cursor *cursor, enum unattributed *ret_reason) {
        *ret_reason = cursor->wire > cursor->left ? UNATTRIBUTED_TRUNCATED : UNATTRIBUTED_MALFORMED;
        return -EBADMSG;
}

/* Ends the cursor with the packet, whose header gives `total` bytes from here on. */
static bool set_length(struct cursor *cursor, struct packet *packet, size_t total) {
        if (total > cursor->wire)
                return false;
        if (cursor->wire <= PADDED_MAX) {
                cursor->wire = total;
                cursor->left = cursor->left < total ? cursor->left : total;
                packet->bytes = (uint32_t) total;
        }
        return true;
}

static void set_ipv4_address(struct in6_addr *address, const uint8_t bytes[4]) {
        *address = (struct in6_addr){.s6_addr = {[10] = 0xff, 0xff, bytes[0], bytes[1], bytes[2], bytes[3]}};
}

static int decode_ipv4(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        uint16_t total, id, fragment;
        uint8_t header[IPV4_HEADER_MIN];
        size_t header_length;
        struct cursor fields = *cursor;

        if (!cursor_copy(&fields, header, sizeof(header)))
                return cut_short(cursor, ret_reason);
        header_length = (header[0] & 0xfu) * 4;
        total = (uint16_t) (header[2] << 8 | header[3]);
        id = (uint16_t) (header[4] << 8 | header[5]);
        fragment = (uint16_t) (header[6] << 8 | header[7]);

        if (header[0] >> 4 != 4 || header_length < IPV4_HEADER_MIN || (total != 0 && total < header_length))
                return malformed(ret_reason);
        if (total != 0 &&
            !set_length(cursor, packet, total)) /* 0: more than 64 KB (BIG TCP, net/ipv4/ip_output.c) */
                return malformed(ret_reason);

        packet->key.protocol = header[9];
        set_ipv4_address(&packet->key.local, header + 12);
        set_ipv4_address(&packet->key.remote, header + 16);
        if (fragment & IPV4_OFFSET)
                packet->fragment = FRAGMENT_LATER;
        else if (fragment & IPV4_MORE_FRAGMENTS)
                packet->fragment = FRAGMENT_FIRST;
        if (packet->fragment != FRAGMENT_NONE)
                packet->fragment_id = id;
        return cursor_skip(cursor, header_length) ? 0 : cut_short(cursor, ret_reason);
}

static int decode_ipv6_fragment(struct cursor *cursor, struct packet *packet,
                                enum unattributed *ret_reason) {
        uint8_t next, reserved;
        uint16_t offset;
        uint32_t id;

        if (!cursor_u8(cursor, &next) || !cursor_u8(cursor, &reserved) || !cursor_be16(cursor, &offset) ||
            !cursor_be32(cursor, &id))
                return cut_short(cursor, ret_reason);
        packet->key.protocol = next;
        if (offset & IPV6_OFFSET)
                packet->fragment = FRAGMENT_LATER;
        else if (offset & IPV6_MORE_FRAGMENTS)
                packet->fragment = FRAGMENT_FIRST;
        if (packet->fragment != FRAGMENT_NONE) /* neither: an atomic fragment, RFC 6946 */
                packet->fragment_id = id;
        return 0;
}

/* Skips a header of which the first byte names the next one and the second its length in units, beyond
 * `base`. */
static int skip_extension(struct cursor *cursor, struct packet *packet, size_t unit, size_t base,
                          enum unattributed *ret_reason) {
        uint8_t next, length;

        if (!cursor_peek(cursor, 0, &next) || !cursor_peek(cursor, 1, &length) ||
            !cursor_skip(cursor, base + length * unit))
                return cut_short(cursor, ret_reason);
        packet->key.protocol = next;
        return 0;
}

static int decode_extensions(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        for (int n = 0; packet->fragment != FRAGMENT_LATER; n++) {
                int r;

                switch (packet->key.protocol) {
                case IPPROTO_HOPOPTS:
                case IPPROTO_ROUTING:
                case IPPROTO_DSTOPTS:
                case IPPROTO_MH:
                        r = skip_extension(cursor, packet, 8, 8, ret_reason);
                        break;
                case IPPROTO_AH: /* counted in 32-bit words, less 2: RFC 4302 section 2.2 */
                        r = skip_extension(cursor, packet, 4, 8, ret_reason);
                        break;
                case IPPROTO_FRAGMENT:
                        r = decode_ipv6_fragment(cursor, packet, ret_reason);
                        break;
                default: /* the transport, or what hides it: ESP, "no next header" */
                        return 0;
                }
                if (r < 0)
                        return r;
                if (n == EXTENSIONS_MAX) {
                        *ret_reason = UNATTRIBUTED_ENCAPSULATION;
                        return -EBADMSG;
                }
        }
        return 0;
}

static int decode_ipv6(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        struct cursor fields = *cursor;
        uint32_t version_class_label;
        uint8_t next_header, hop_limit;
        uint16_t payload;

        if (!cursor_be32(&fields, &version_class_label) || !cursor_be16(&fields, &payload) ||
            !cursor_u8(&fields, &next_header) || !cursor_u8(&fields, &hop_limit) ||
            !cursor_copy(&fields, &packet->key.local, sizeof(packet->key.local)) ||
            !cursor_copy(&fields, &packet->key.remote, sizeof(packet->key.remote)))
                return cut_short(cursor, ret_reason);
        if (version_class_label >> 28 != 6)
                return malformed(ret_reason);
        /* 0: a jumbogram (RFC 2675) or BIG TCP, of which only the frame knows the length; or nothing behind
         * the header at all, which a short frame tells */
        if ((payload != 0 || next_header == IPPROTO_NONE) &&
            !set_length(cursor, packet, IPV6_HEADER + payload))
                return malformed(ret_reason);

        packet->key.protocol = next_header;
        (void) cursor_skip(cursor, IPV6_HEADER);
        return decode_extensions(cursor, packet, ret_reason);
}

int network_decode(enum network network, struct cursor *cursor, struct packet *packet,
                   enum unattributed *ret_reason) {
        uint8_t first;

        packet->bytes = (uint32_t) cursor->wire;
        switch (network) {
        case NETWORK_IPV4:
                return decode_ipv4(cursor, packet, ret_reason);
        case NETWORK_IPV6:
                return decode_ipv6(cursor, packet, ret_reason);
        case NETWORK_BY_VERSION:
                if (!cursor_peek(cursor, 0, &first))
                        return cut_short(cursor, ret_reason);
                if (first >> 4 == 4)
                        return decode_ipv4(cursor, packet, ret_reason);
                if (first >> 4 == 6)
                        return decode_ipv6(cursor, packet, ret_reason);
                break;
        case NETWORK_OTHER:
                break;
        }
        *ret_reason = UNATTRIBUTED_NOT_IP;
        return -EBADMSG;
}
