/* SPDX-License-Identifier: MIT */
#include "decode/link.h"

#include <errno.h>

#include "decode/network.h"

/* IEEE 802 numbers, as in linux/if_ether.h. */
#define ETHERTYPE_IPV4     0x0800
#define ETHERTYPE_IPV6     0x86dd
#define ETHERTYPE_VLAN     0x8100 /* IEEE 802.1Q */
#define ETHERTYPE_QINQ     0x88a8 /* IEEE 802.1ad */
#define ETHERTYPE_QINQ_OLD 0x9100
#define ETHERTYPE_PPPOE    0x8864 /* RFC 2516, session stage */

/* More tags than this is no network but an attack on the decoder. */
#define TAGS_MAX 4

/* PPP protocol numbers, RFC 1332 and RFC 5072. */
#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057

/* packet(7), sll_pkttype */
#define SLL_OTHERHOST 3
#define SLL_OUTGOING  4

bool link_type_is_known(int link_type) {
        switch ((enum link_type) link_type) {
        case LINK_NULL:
        case LINK_EN10MB:
        case LINK_PPP:
        case LINK_RAW:
        case LINK_PPP_SERIAL:
        case LINK_PPP_ETHER:
        case LINK_RAW_FILE:
        case LINK_LOOP:
        case LINK_LINUX_SLL:
        case LINK_IPV4:
        case LINK_IPV6:
        case LINK_LINUX_SLL2:
                return true;
        }
        return false;
}

static int refuse(enum unattributed *ret_reason, enum unattributed reason) {
        *ret_reason = reason;
        return -EBADMSG;
}

/* RFC 1661 and RFC 1662: address and control may be left out, and a protocol below 0x100 may be one byte. */
static int decode_ppp(struct cursor *cursor, enum network *ret_network, enum unattributed *ret_reason) {
        uint8_t address, control, first, second;
        uint16_t protocol;

        if (cursor_peek(cursor, 0, &address) && cursor_peek(cursor, 1, &control) && address == 0xff &&
            control == 0x03)
                (void) cursor_skip(cursor, 2);
        if (!cursor_u8(cursor, &first))
                return cut_short(cursor, ret_reason);
        protocol = first;
        if ((first & 1) == 0) { /* protocol numbers end in an odd byte */
                if (!cursor_u8(cursor, &second))
                        return cut_short(cursor, ret_reason);
                protocol = (uint16_t) (first << 8 | second);
        }
        *ret_network = protocol == PPP_IPV4   ? NETWORK_IPV4
                       : protocol == PPP_IPV6 ? NETWORK_IPV6
                                              : NETWORK_OTHER;
        return 0;
}

/* RFC 2516 section 4: version and type, code, session, length. */
static int decode_pppoe(struct cursor *cursor, enum network *ret_network, enum unattributed *ret_reason) {
        if (!cursor_skip(cursor, 6))
                return cut_short(cursor, ret_reason);
        return decode_ppp(cursor, ret_network, ret_reason);
}

/* From the ethertype on, which has been read. */
static int decode_ethertype(struct cursor *cursor, uint16_t ethertype, enum network *ret_network,
                            enum unattributed *ret_reason) {
        for (int tags = 0;; tags++) {
                switch (ethertype) {
                case ETHERTYPE_IPV4:
                        *ret_network = NETWORK_IPV4;
                        return 0;
                case ETHERTYPE_IPV6:
                        *ret_network = NETWORK_IPV6;
                        return 0;
                case ETHERTYPE_PPPOE:
                        return decode_pppoe(cursor, ret_network, ret_reason);
                case ETHERTYPE_VLAN:
                case ETHERTYPE_QINQ:
                case ETHERTYPE_QINQ_OLD:
                        if (tags == TAGS_MAX)
                                return refuse(ret_reason, UNATTRIBUTED_ENCAPSULATION);
                        if (!cursor_skip(cursor, 2) || !cursor_be16(cursor, &ethertype))
                                return cut_short(cursor, ret_reason);
                        break;
                default: /* an IEEE 802.3 length among them */
                        *ret_network = NETWORK_OTHER;
                        return 0;
                }
        }
}

static int decode_ethernet(struct cursor *cursor, enum network *ret_network, enum unattributed *ret_reason) {
        uint16_t ethertype;

        if (!cursor_skip(cursor, 12) || !cursor_be16(cursor, &ethertype))
                return cut_short(cursor, ret_reason);
        return decode_ethertype(cursor, ethertype, ret_network, ret_reason);
}

static enum packet_type type_of(uint16_t sll_pkttype) {
        switch (sll_pkttype) {
        case SLL_OTHERHOST:
                return PACKET_TYPE_OTHER;
        case SLL_OUTGOING:
                return PACKET_TYPE_FROM_US;
        default: /* host, broadcast, multicast */
                return PACKET_TYPE_TO_US;
        }
}

/* LINKTYPE_LINUX_SLL: packet type, ARPHRD type, address length, address, protocol. */
static int decode_sll(struct cursor *cursor, struct packet *packet, enum network *ret_network,
                      enum unattributed *ret_reason) {
        uint16_t pkttype, protocol;

        if (!cursor_be16(cursor, &pkttype))
                return cut_short(cursor, ret_reason);
        packet->type = type_of(pkttype);
        if (!cursor_skip(cursor, 12) || !cursor_be16(cursor, &protocol))
                return cut_short(cursor, ret_reason);
        return decode_ethertype(cursor, protocol, ret_network, ret_reason);
}

/* LINKTYPE_LINUX_SLL2: protocol, reserved, ifindex, ARPHRD type, packet type, address length, address. */
static int decode_sll2(struct cursor *cursor, struct packet *packet, enum network *ret_network,
                       enum unattributed *ret_reason) {
        uint16_t protocol;
        uint8_t pkttype;

        if (!cursor_be16(cursor, &protocol) || !cursor_skip(cursor, 2) ||
            !cursor_be32(cursor, &packet->ifindex) || !cursor_skip(cursor, 2) ||
            !cursor_u8(cursor, &pkttype))
                return cut_short(cursor, ret_reason);
        packet->type = type_of(pkttype);
        if (!cursor_skip(cursor, 9))
                return cut_short(cursor, ret_reason);
        return decode_ethertype(cursor, protocol, ret_network, ret_reason);
}

/* An address family: of the host that wrote the savefile with LINKTYPE_NULL, in its byte order; in network
 * order with LINKTYPE_LOOP. AF_INET is 2 everywhere; AF_INET6 is 10 on Linux and 24, 28 or 30 on BSD and
 * macOS. */
static int decode_family(struct cursor *cursor, enum network *ret_network, enum unattributed *ret_reason) {
        uint32_t family;

        if (!cursor_be32(cursor, &family))
                return cut_short(cursor, ret_reason);
        if (family > 0xffff) /* no family is that large: the other byte order */
                family = __builtin_bswap32(family);
        switch (family) {
        case 2:
                *ret_network = NETWORK_IPV4;
                return 0;
        case 10:
        case 24:
        case 28:
        case 30:
                *ret_network = NETWORK_IPV6;
                return 0;
        default:
                *ret_network = NETWORK_OTHER;
                return 0;
        }
}

int link_decode(int link_type, struct cursor *cursor, struct packet *packet, enum network *ret_network,
                enum unattributed *ret_reason) {
        switch ((enum link_type) link_type) {
        case LINK_EN10MB:
                return decode_ethernet(cursor, ret_network, ret_reason);
        case LINK_LINUX_SLL:
                return decode_sll(cursor, packet, ret_network, ret_reason);
        case LINK_LINUX_SLL2:
                return decode_sll2(cursor, packet, ret_network, ret_reason);
        case LINK_NULL:
        case LINK_LOOP:
                return decode_family(cursor, ret_network, ret_reason);
        case LINK_PPP:
        case LINK_PPP_SERIAL:
                return decode_ppp(cursor, ret_network, ret_reason);
        case LINK_PPP_ETHER:
                return decode_pppoe(cursor, ret_network, ret_reason);
        case LINK_RAW:
        case LINK_RAW_FILE:
                *ret_network = NETWORK_BY_VERSION;
                return 0;
        case LINK_IPV4:
                *ret_network = NETWORK_IPV4;
                return 0;
        case LINK_IPV6:
                *ret_network = NETWORK_IPV6;
                return 0;
        }
        return refuse(ret_reason, UNATTRIBUTED_NOT_IP);
}
