/* SPDX-License-Identifier: MIT */
#include "decode/transport.h"

#include "decode/refuse.h"

/* More of the shortest headers: RFC 9260 section 3.1; RFC 4340 section 5.1. ICMP and ICMPv6: what icmp_rcv() and
 * icmpv6_rcv() take (net/ipv4/icmp.c, net/ipv6/icmp.c). */
#define SCTP_HEADER     12
#define DCCP_HEADER_MIN 12
#define ICMP_HEADER     8

/* RFC 792; RFC 4443 section 4 */
#define ICMP_ECHO_REPLY     0
#define ICMP_ECHO_REQUEST   8
#define ICMPV6_ECHO_REQUEST 128
#define ICMPV6_ECHO_REPLY   129

/* A first fragment may end anywhere in the transport header, a whole packet may not. */
static bool is_too_short(const struct cursor *cursor, const struct packet *packet, size_t header_min) {
        return packet->fragment == FRAGMENT_NONE && cursor->wire < header_min;
}

static int decode_ports(struct cursor *cursor, struct packet *packet, size_t header_min,
                        enum unattributed *ret_reason) {
        uint8_t ports[4];

        if (is_too_short(cursor, packet, header_min))
                return refuse(ret_reason, UNATTRIBUTED_MALFORMED);
        if (!cursor_copy(cursor, ports, sizeof(ports)))
                return cut_short(cursor, sizeof(ports), ret_reason);
        packet->key.local_port = be16_of(ports);
        packet->key.remote_port = be16_of(ports + 2);
        return 0;
}

/* Ports, sequence and acknowledgement numbers, header length in words, flags. */
static int decode_tcp(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        struct cursor segment = *cursor;
        uint8_t offset, flags;
        int r;

        r = decode_ports(cursor, packet, TCP_HEADER_MIN, ret_reason);
        if (r < 0)
                return r;
        if (!cursor_skip(cursor, 8) || !cursor_u8(cursor, &offset) || !cursor_u8(cursor, &flags))
                return 0;
        if ((offset >> 4) * 4 < TCP_HEADER_MIN || is_too_short(&segment, packet, (size_t) (offset >> 4) * 4))
                return refuse(ret_reason, UNATTRIBUTED_MALFORMED);
        packet->connection_start = (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
        return 0;
}

/* Ports and length, which is 0 in a jumbogram (RFC 2675 section 4) and wraps in super-packets of more than
 * 64 KB. In a fragment it is that of the whole datagram. */
static int decode_udp(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        size_t available = cursor->wire;
        uint16_t length;
        int r;

        r = decode_ports(cursor, packet, UDP_HEADER, ret_reason);
        if (r < 0)
                return r;
        if (packet->fragment != FRAGMENT_NONE || available > UINT16_MAX || !cursor_be16(cursor, &length) ||
            length == 0)
                return 0;
        if (length < UDP_HEADER || length > available)
                return refuse(ret_reason, UNATTRIBUTED_MALFORMED);
        return 0;
}

/* Type, code, checksum, and with echoes the identifier of whoever asked. */
static int decode_icmp(struct cursor *cursor, struct packet *packet, uint8_t request, uint8_t reply,
                       enum unattributed *ret_reason) {
        uint8_t header[6], type;

        if (is_too_short(cursor, packet, ICMP_HEADER))
                return refuse(ret_reason, UNATTRIBUTED_MALFORMED);
        if (!cursor_peek(cursor, 0, &type))
                return cut_short(cursor, 1, ret_reason);
        if (type != request && type != reply)
                return 0;
        if (!cursor_copy(cursor, header, sizeof(header)))
                return cut_short(cursor, sizeof(header), ret_reason);
        *(type == request ? &packet->key.local_port : &packet->key.remote_port) = be16_of(header + 4);
        return 0;
}

int transport_decode(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason) {
        if (packet->fragment == FRAGMENT_LATER)
                return 0;
        switch (packet->key.protocol) {
        case IPPROTO_TCP:
                return decode_tcp(cursor, packet, ret_reason);
        case IPPROTO_UDP:
                return decode_udp(cursor, packet, ret_reason);
        case IPPROTO_UDPLITE:
                return decode_ports(cursor, packet, UDP_HEADER, ret_reason);
        case IPPROTO_SCTP:
                return decode_ports(cursor, packet, SCTP_HEADER, ret_reason);
        case IPPROTO_DCCP:
                return decode_ports(cursor, packet, DCCP_HEADER_MIN, ret_reason);
        case IPPROTO_ICMP:
                return decode_icmp(cursor, packet, ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY, ret_reason);
        case IPPROTO_ICMPV6:
                return decode_icmp(cursor, packet, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY, ret_reason);
        default:
                return 0;
        }
}
