/* SPDX-License-Identifier: MIT */
#include "decode/network.h"

#include "decode/refuse.h"

#define IPV4_HEADER_MIN 20
#define IPV6_HEADER     40

/* RFC 791 section 3.1, flags and fragment offset */
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV4_OFFSET         0x1fff

/* RFC 8200 section 4.5 */
#define IPV6_MORE_FRAGMENTS 0x0001
#define IPV6_OFFSET         0xfff8

/* RFC 2675 section 2 */
#define OPTION_PAD1         0x00
#define OPTION_JUMBO        0xc2
#define OPTION_JUMBO_LENGTH 4

/* IANA's protocol numbers that netinet/in.h lacks: RFC 7401 and RFC 5533. */
#define PROTOCOL_HIP   139
#define PROTOCOL_SHIM6 140

/* RFC 8200 section 4.1 asks for each extension header at most once, destination options twice. */
#define EXTENSIONS_MAX 10

/* Where the packet ends: at `total`, its length by its own header, which is where ip_rcv_core() and
 * ip6_rcv_core() cut it (net/ipv4/ip_input.c, net/ipv6/ip6_input.c). What a frame has behind that is
 * padding, checksum or trailer, of any length and under any link header, and not of the IP layer.
 * Super-packets are no exception, the kernel sets the length of the whole: iph_set_totlen()
 * (include/linux/ip.h), used by
 * __ip_local_out() and inet_gro_complete(); __ip6_local_out() and ipv6_gro_complete() likewise. Only what 16
 * bits cannot say has 0 there, BIG TCP, and so has what other systems hand to segmentation offload: `total`
 * is 0 then and the frame is believed. `total_max` is the most that the header can say: in a longer frame it
 * has wrapped, if it is not 0. Returns false where the length cannot be: it ends within the header, or
 * behind the frame. */
static bool set_length(struct cursor *cursor, struct packet *packet, size_t header_length, size_t total,
                       size_t total_max) {
        if (total == 0 || cursor->wire > total_max)
                return true;
        if (total < header_length || total > cursor->wire)
                return false;
        cursor_end(cursor, total);
        packet->bytes = (uint32_t) total;
        return true;
}

static void set_ipv4_address(struct in6_addr *address, const uint8_t bytes[4]) {
        *address = (struct in6_addr){.s6_addr = {[10] = 0xff, 0xff, bytes[0], bytes[1], bytes[2], bytes[3]}};
}

static int decode_ipv4(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        uint8_t header[IPV4_HEADER_MIN];
        struct cursor fields = *cursor;
        size_t header_length;
        uint16_t fragment;

        if (!cursor_copy(&fields, header, sizeof(header)))
                return cut_short(cursor, sizeof(header), ret_reason);
        header_length = (header[0] & 0xfu) * 4;
        if (header[0] >> 4 != 4 || header_length < IPV4_HEADER_MIN ||
            !set_length(cursor, packet, header_length, be16_of(header + 2), UINT16_MAX))
                return refuse(ret_reason, UNATTRIBUTED_MALFORMED);
        if (!cursor_skip(cursor, header_length))
                return cut_short(cursor, header_length, ret_reason);

        fragment = be16_of(header + 6);
        if (fragment & IPV4_OFFSET)
                packet->fragment = FRAGMENT_LATER;
        else if (fragment & IPV4_MORE_FRAGMENTS)
                packet->fragment = FRAGMENT_FIRST;
        if (packet->fragment != FRAGMENT_NONE)
                packet->fragment_id = be16_of(header + 4);
        packet->key.protocol = header[9];
        set_ipv4_address(&packet->key.local, header + 12);
        set_ipv4_address(&packet->key.remote, header + 16);
        return 0;
}

static int decode_ipv6_fragment(struct cursor *cursor, struct packet *packet,
                                enum unattributed *ret_reason) {
        uint8_t header[8];
        uint16_t offset;

        if (!cursor_copy(cursor, header, sizeof(header)))
                return cut_short(cursor, sizeof(header), ret_reason);
        packet->key.protocol = header[0];
        offset = be16_of(header + 2);
        if (offset & IPV6_OFFSET)
                packet->fragment = FRAGMENT_LATER;
        else if (offset & IPV6_MORE_FRAGMENTS)
                packet->fragment = FRAGMENT_FIRST;
        if (packet->fragment != FRAGMENT_NONE) /* neither: an atomic fragment, RFC 6946 */
                packet->fragment_id = be32_of(header + 4);
        return 0;
}

/* Is that an extension header to be followed? ESP and "no next header" are none: what comes behind is
 * hidden, or nothing. */
static bool is_extension(uint8_t protocol) {
        switch (protocol) {
        case IPPROTO_HOPOPTS:
        case IPPROTO_ROUTING:
        case IPPROTO_FRAGMENT:
        case IPPROTO_AH:
        case IPPROTO_DSTOPTS:
        case IPPROTO_MH:
        case PROTOCOL_HIP:
        case PROTOCOL_SHIM6:
                return true;
        default:
                return false;
        }
}

/* Mobility (RFC 6275), HIP and shim6 headers are messages of their own where nothing follows them, and it is
 * their protocol that a raw socket takes them by. */
static bool is_message(uint8_t protocol, uint8_t next) {
        return next == IPPROTO_NONE &&
               (protocol == IPPROTO_MH || protocol == PROTOCOL_HIP || protocol == PROTOCOL_SHIM6);
}

/* The length of the extension header at the cursor: the second byte counts 8 bytes each, with AH 4 (RFC 4302
 * section 2.2), beyond the first 8. */
static int extension_length(const struct cursor *cursor, uint8_t protocol, size_t *ret_length,
                            enum unattributed *ret_reason) {
        size_t length;
        uint8_t units;

        if (!cursor_peek(cursor, 1, &units))
                return cut_short(cursor, 8, ret_reason);
        length = 8 + units * (protocol == IPPROTO_AH ? 4u : 8u);
        if (!cursor_has(cursor, length))
                return cut_short(cursor, length, ret_reason);
        *ret_length = length;
        return 0;
}

/* Returns 1 when key.protocol says what follows, 0 when it is itself the last. */
static int decode_extension(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        size_t length;
        uint8_t next;
        int r;

        if (packet->key.protocol == IPPROTO_FRAGMENT) {
                r = decode_ipv6_fragment(cursor, packet, ret_reason);
                return r < 0 ? r : packet->fragment != FRAGMENT_LATER;
        }
        r = extension_length(cursor, packet->key.protocol, &length, ret_reason);
        if (r < 0)
                return r;
        if (!cursor_peek(cursor, 0, &next) || is_message(packet->key.protocol, next))
                return 0;
        packet->key.protocol = next;
        // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): it does not follow cut_short(), which returns -EBADMSG
        (void) cursor_skip(cursor, length);
        return 1;
}

static int decode_extensions(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        for (int n = 0; is_extension(packet->key.protocol); n++) {
                int r;

                if (n == EXTENSIONS_MAX)
                        return refuse(ret_reason, UNATTRIBUTED_ENCAPSULATION);
                r = decode_extension(cursor, packet, ret_reason);
                if (r <= 0)
                        return r;
        }
        return 0;
}

/* The jumbo payload option among the hop-by-hop options: the bytes behind the IPv6 header, where that says
 * 0. *ret_payload is 0 without one. */
static int find_jumbo(struct cursor options, uint32_t *ret_payload, enum unattributed *ret_reason) {
        uint32_t payload = 0;
        size_t length;
        int r;

        r = extension_length(&options, IPPROTO_HOPOPTS, &length, ret_reason);
        if (r < 0)
                return r;
        // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): it does not follow cut_short(), which returns -EBADMSG
        cursor_end(&options, length);
        (void) cursor_skip(&options, 2);

        while (payload == 0 && options.left > 0) {
                uint8_t type, size;

                if (!cursor_u8(&options, &type))
                        return cut_short(&options, 1, ret_reason);
                if (type == OPTION_PAD1)
                        continue;
                if (!cursor_u8(&options, &size))
                        return cut_short(&options, 1, ret_reason);
                if (type == OPTION_JUMBO && (size != OPTION_JUMBO_LENGTH ||
                                             !cursor_be32(&options, &payload) || payload <= UINT16_MAX))
                        return refuse(ret_reason, UNATTRIBUTED_MALFORMED);
                if (type != OPTION_JUMBO && !cursor_skip(&options, size))
                        return cut_short(&options, size, ret_reason);
        }
        *ret_payload = payload;
        return 0;
}

/* payload and next_header are those of the IPv6 header, extensions stands behind it. */
static int set_ipv6_length(struct cursor *cursor, struct packet *packet, uint16_t payload,
                           uint8_t next_header, struct cursor extensions, enum unattributed *ret_reason) {
        size_t total = (size_t) IPV6_HEADER + payload, total_max = IPV6_HEADER + UINT16_MAX;
        uint32_t jumbo;
        int r;

        if (payload == 0 && next_header == IPPROTO_HOPOPTS) {
                r = find_jumbo(extensions, &jumbo, ret_reason);
                if (r < 0)
                        return r;
                total = jumbo == 0 ? 0 : (size_t) IPV6_HEADER + jumbo;
                total_max = SIZE_MAX;
        } else if (payload == 0 && next_header != IPPROTO_NONE)
                total = 0;
        if (!set_length(cursor, packet, IPV6_HEADER, total, total_max))
                return refuse(ret_reason, UNATTRIBUTED_MALFORMED);
        return 0;
}

static int decode_ipv6(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        uint8_t header[IPV6_HEADER];
        struct cursor extensions = *cursor;
        int r;

        if (!cursor_copy(&extensions, header, sizeof(header)))
                return cut_short(cursor, sizeof(header), ret_reason);
        if (header[0] >> 4 != 6)
                return refuse(ret_reason, UNATTRIBUTED_MALFORMED);
        r = set_ipv6_length(cursor, packet, be16_of(header + 4), header[6], extensions, ret_reason);
        if (r < 0)
                return r;

        packet->key.protocol = header[6];
        memcpy(&packet->key.local, header + 8, sizeof(packet->key.local));
        memcpy(&packet->key.remote, header + 24, sizeof(packet->key.remote));
        (void) cursor_skip(cursor, sizeof(header));
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
                        return cut_short(cursor, 1, ret_reason);
                if (first >> 4 == 4)
                        return decode_ipv4(cursor, packet, ret_reason);
                if (first >> 4 == 6)
                        return decode_ipv6(cursor, packet, ret_reason);
                break;
        case NETWORK_OTHER:
                break;
        }
        return refuse(ret_reason, UNATTRIBUTED_NOT_IP);
}
