/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "decode/network.h"

/* RFC 9293 section 3.1 */
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* RFC 792; RFC 4443 section 4 */
#define ICMP_ECHO_REPLY     0
#define ICMP_ECHO_REQUEST   8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY   129

static int decode_ports(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        if (!cursor_be16(cursor, &packet->key.local_port) || !cursor_be16(cursor, &packet->key.remote_port))
                return cut_short(cursor, ret_reason);
        return 0;
}

/* Sequence and acknowledgement numbers, data offset, flags. */
static int decode_tcp(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        uint8_t flags;
        int r;

        r = decode_ports(cursor, packet, ret_reason);
        if (r < 0)
                return r;
        if (!cursor_skip(cursor, 9) || !cursor_u8(cursor, &flags))
                return cut_short(cursor, ret_reason);
        packet->connection_start = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
        return 0;
}

/* Type, code, checksum, and with echoes the identifier of whoever asked. */
static int decode_icmp(struct cursor *cursor, struct packet *packet, uint8_t request, uint8_t reply,
                       enum unattributed *ret_reason) {
        uint16_t identifier;
        uint8_t type;

        if (!cursor_u8(cursor, &type))
                return cut_short(cursor, ret_reason);
        if (type != request && type != reply)
                return 0;
        if (!cursor_skip(cursor, 3) || !cursor_be16(cursor, &identifier))
                return cut_short(cursor, ret_reason);
        *(type == request ? &packet->key.local_port : &packet->key.remote_port) = identifier;
        return 0;
}

int transport_decode(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        if (packet->fragment == FRAGMENT_LATER)
                return 0;
        switch (packet->key.protocol) {
        case IPPROTO_TCP:
                return decode_tcp(cursor, packet, ret_reason);
        case IPPROTO_UDP:
        case IPPROTO_UDPLITE:
        case IPPROTO_SCTP:
        case IPPROTO_DCCP:
                return decode_ports(cursor, packet, ret_reason);
        case IPPROTO_ICMP:
                return decode_icmp(cursor, packet, ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY, ret_reason);
        case IPPROTO_ICMPV6:
                return decode_icmp(cursor, packet, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY, ret_reason);
        default:
                return 0;
        }
}
