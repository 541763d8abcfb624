/* SPDX-License-Identifier: MIT */
#include "decode/link.h"

#include <string.h>

#include "decode/refuse.h"

/* IEEE 802 numbers, as in linux/if_ether.h. */
#define ETHERTYPE_VLAN     0x8100 /* IEEE 802.1Q */
#define ETHERTYPE_QINQ     0x88a8 /* IEEE 802.1ad */
#define ETHERTYPE_QINQ_OLD 0x9100
#define ETHERTYPE_PPPOE    0x8864 /* RFC 2516, session stage */

/* More tags than this is no network but an attack on the decoder. */
#define TAGS_MAX 4

/* PPP protocol numbers, RFC 1332 and RFC 5072. */
#define PPP_IPV4 0x0021
#define PPP_IPV6 0x0057

/* RFC 1662 section 3.1; RFC 1547 section 4.3.1 */
#define HDLC_ALL_STATIONS    0xff /* then 0x03, unnumbered information */
#define CISCO_HDLC_UNICAST   0x0f
#define CISCO_HDLC_BROADCAST 0x8f

/* packet(7), sll_pkttype */
#define SLL_HOST      0
#define SLL_BROADCAST 1
#define SLL_MULTICAST 2
#define SLL_OTHERHOST 3
#define SLL_OUTGOING  4

/* linux/if_arp.h */
#define ARPHRD_ETHER 1

/* RFC 1661 and RFC 1662: address and control may be left out, and a protocol below 0x100 may be one byte,
 * but none is 0xff. */
static int decode_ppp(struct cursor *cursor, enum network *ret_network, enum unattributed *ret_reason) {
        struct cursor fields = *cursor;
        uint8_t first, second;
        uint16_t protocol;

        if (cursor_peek(&fields, 0, &first) && first == HDLC_ALL_STATIONS && !cursor_skip(&fields, 2))
                return cut_short(&fields, 2, ret_reason);
        if (!cursor_u8(&fields, &first))
                return cut_short(&fields, 1, ret_reason);
        protocol = first;
        if ((first & 1) == 0) { /* protocol numbers end in an odd byte */
                if (!cursor_u8(&fields, &second))
                        return cut_short(&fields, 1, ret_reason);
                protocol = (uint16_t) (first << 8 | second);
        }
        *cursor = fields;
        *ret_network = protocol == PPP_IPV4   ? NETWORK_IPV4
                       : protocol == PPP_IPV6 ? NETWORK_IPV6
                                              : NETWORK_OTHER;
        return 0;
}

/* RFC 2516 section 4: version and type, code, session, length. The length is not needed: IP's own tells the
 * padding. */
static int decode_pppoe(struct cursor *cursor, enum network *ret_network, enum unattributed *ret_reason) {
        if (!cursor_skip(cursor, 6))
                return cut_short(cursor, 6, ret_reason);
        return decode_ppp(cursor, ret_network, ret_reason);
}

/* From the ethertype on, which has been read. */
static int decode_ethertype(struct cursor *cursor, uint16_t ethertype, struct packet *packet,
                            enum network *ret_network, enum unattributed *ret_reason) {
        for (int tags = 0;; tags++) {
                uint8_t tag[4];

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
                        if (!cursor_copy(cursor, tag, sizeof(tag)))
                                return cut_short(cursor, sizeof(tag), ret_reason);
                        if (tags == 0) {
                                packet->tagged = true;
                                packet->vlan_id = be16_of(tag) & 0x0fff;
                        }
                        ethertype = be16_of(tag + 2);
                        break;
                default: /* an IEEE 802.3 length among them, below 0x0600 */
                        *ret_network = NETWORK_OTHER;
                        return 0;
                }
        }
}

/* Destination, source, ethertype. */
static int decode_ethernet(struct cursor *cursor, struct packet *packet, enum network *ret_network,
                           enum unattributed *ret_reason) {
        uint8_t header[14];

        if (!cursor_copy(cursor, header, sizeof(header)))
                return cut_short(cursor, sizeof(header), ret_reason);
        memcpy(packet->link_destination, header, LINK_ADDRESS_BYTES);
        memcpy(packet->link_source, header + LINK_ADDRESS_BYTES, LINK_ADDRESS_BYTES);
        packet->has_link_destination = packet->has_link_source = true;
        return decode_ethertype(cursor, be16_of(header + 12), packet, ret_network, ret_reason);
}

/* LINKTYPE_PPP_HDLC: PPP, or Cisco's HDLC, which has address, control and an ethertype. */
static int decode_ppp_serial(struct cursor *cursor, struct packet *packet, enum network *ret_network,
                             enum unattributed *ret_reason) {
        uint8_t address, header[4];

        if (!cursor_peek(cursor, 0, &address) ||
            (address != CISCO_HDLC_UNICAST && address != CISCO_HDLC_BROADCAST))
                return decode_ppp(cursor, ret_network, ret_reason);
        if (!cursor_copy(cursor, header, sizeof(header)))
                return cut_short(cursor, sizeof(header), ret_reason);
        return decode_ethertype(cursor, be16_of(header + 2), packet, ret_network, ret_reason);
}

static enum packet_type type_of(uint16_t sll_pkttype) {
        switch (sll_pkttype) {
        case SLL_HOST:
        case SLL_BROADCAST:
        case SLL_MULTICAST:
                return PACKET_TYPE_TO_US;
        case SLL_OTHERHOST:
                return PACKET_TYPE_OTHER;
        case SLL_OUTGOING:
                return PACKET_TYPE_FROM_US;
        default:
                return PACKET_TYPE_UNKNOWN;
        }
}

/* The sender's. */
static void take_sll_address(struct packet *packet, uint16_t arphrd, size_t length,
                             const uint8_t address[8]) {
        if (arphrd != ARPHRD_ETHER || length != LINK_ADDRESS_BYTES)
                return;
        memcpy(packet->link_source, address, LINK_ADDRESS_BYTES);
        packet->has_link_source = true;
}

/* LINKTYPE_LINUX_SLL: packet type, ARPHRD type, address length, address, protocol. */
static int decode_sll(struct cursor *cursor, struct packet *packet, enum network *ret_network,
                      enum unattributed *ret_reason) {
        uint8_t header[16];

        if (!cursor_copy(cursor, header, sizeof(header)))
                return cut_short(cursor, sizeof(header), ret_reason);
        packet->type = type_of(be16_of(header));
        take_sll_address(packet, be16_of(header + 2), be16_of(header + 4), header + 6);
        return decode_ethertype(cursor, be16_of(header + 14), packet, ret_network, ret_reason);
}

/* LINKTYPE_LINUX_SLL2: protocol, reserved, ifindex, ARPHRD type, packet type, address length, address. */
static int decode_sll2(struct cursor *cursor, struct packet *packet, enum network *ret_network,
                       enum unattributed *ret_reason) {
        uint8_t header[20];

        if (!cursor_copy(cursor, header, sizeof(header)))
                return cut_short(cursor, sizeof(header), ret_reason);
        packet->ifindex = be32_of(header + 4);
        packet->type = type_of(header[10]);
        take_sll_address(packet, be16_of(header + 8), header[11], header + 12);
        return decode_ethertype(cursor, be16_of(header), packet, ret_network, ret_reason);
}

/* An address family: of the host that captured, in its byte order, with LINKTYPE_NULL; in network order with
 * LINKTYPE_LOOP. AF_INET is 2 everywhere; AF_INET6 is 10 on Linux and 24, 28 or 30 on BSD and macOS. */
static int decode_family(struct cursor *cursor, enum network *ret_network, enum unattributed *ret_reason) {
        uint32_t family;

        if (!cursor_small32(cursor, &family))
                return cut_short(cursor, sizeof(family), ret_reason);
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
                return decode_ethernet(cursor, packet, ret_network, ret_reason);
        case LINK_LINUX_SLL:
                return decode_sll(cursor, packet, ret_network, ret_reason);
        case LINK_LINUX_SLL2:
                return decode_sll2(cursor, packet, ret_network, ret_reason);
        case LINK_NULL:
        case LINK_LOOP:
                return decode_family(cursor, ret_network, ret_reason);
        case LINK_PPP:
                return decode_ppp(cursor, ret_network, ret_reason);
        case LINK_PPP_SERIAL:
                return decode_ppp_serial(cursor, packet, ret_network, ret_reason);
        case LINK_PPP_ETHER:
                return decode_pppoe(cursor, ret_network, ret_reason);
        case LINK_RAW:
        case LINK_RAW_OPENBSD:
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
        return refuse(ret_reason, UNATTRIBUTED_LINK_TYPE);
}
