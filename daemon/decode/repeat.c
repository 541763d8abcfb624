/* SPDX-License-Identifier: MIT */
#include "decode/repeat.h"

#include <netinet/in.h>
#include <string.h>

#include "decode/cursor.h"
#include "decode/link.h"
#include "decode/transport.h"

/* Bytes of the link header, and where in it the EtherType is. */
#define ETHERNET_HEADER 14
#define ETHERNET_TYPE   12
#define SLL2_HEADER     20
#define SLL2_TYPE       0

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define PORTS       4

/* The IP header of such a packet at that offset, where the link header says what it is. Returns its length,
 * or 0. */
static uint8_t network_header(const uint8_t *data, size_t offset, size_t type_at,
                              const struct packet *packet) {
        const uint8_t *network = data + offset;

        switch (be16_of(data + type_at)) {
        case ETHERTYPE_IPV4:
                return network[0] == 0x45 && network[9] == packet->key.protocol ? IPV4_HEADER : 0;
        case ETHERTYPE_IPV6:
                return network[0] >> 4 == 6 && network[6] == packet->key.protocol ? IPV6_HEADER : 0;
        default:
                return 0;
        }
}

bool repeat_set(struct repeat *repeat, int link_type, const uint8_t *data, size_t captured,
                const struct packet *packet) {
        bool sll2 = link_type == LINK_LINUX_SLL2;
        uint8_t network = sll2 ? SLL2_HEADER : ETHERNET_HEADER, header;

        if ((!sll2 && link_type != LINK_EN10MB) || packet->fragment != FRAGMENT_NONE || packet->tagged ||
            (packet->key.protocol != IPPROTO_TCP && packet->key.protocol != IPPROTO_UDP) ||
            captured < (size_t) network + IPV4_HEADER)
                return false;
        header = network_header(data, network, sll2 ? SLL2_TYPE : ETHERNET_TYPE, packet);
        if (header == 0 || captured < (size_t) network + header + PORTS)
                return false;
        memcpy(repeat->bytes, data, (size_t) network + header + PORTS);
        repeat->network = network;
        repeat->transport = (uint8_t) (network + header);
        repeat->tcp = packet->key.protocol == IPPROTO_TCP;
        return true;
}

static bool same(const struct repeat *repeat, const uint8_t *data, size_t offset, size_t n) {
        return memcmp(repeat->bytes + offset, data + offset, n) == 0;
}

/* The link header and the first byte of the IP header. Lengths that are constant are compared without a
 * call. */
static bool same_link(const struct repeat *repeat, const uint8_t *data) {
        if (repeat->network == SLL2_HEADER)
                return same(repeat, data, 0, SLL2_HEADER) && repeat->bytes[SLL2_HEADER] == data[SLL2_HEADER];
        return same(repeat, data, 0, ETHERNET_HEADER) &&
               repeat->bytes[ETHERNET_HEADER] == data[ETHERNET_HEADER];
}

/* The rest that decides: RFC 791 section 3.1, flags and offset, protocol, addresses; and ports. */
static bool same_ipv4(const struct repeat *repeat, const uint8_t *data) {
        const size_t at = repeat->network;

        return same(repeat, data, at + 6, 2) && repeat->bytes[at + 9] == data[at + 9] &&
               same(repeat, data, at + 12, 8 + PORTS);
}

/* RFC 8200 section 3: next header, addresses; and ports. The first byte has the version and half of the
 * traffic class. */
static bool same_ipv6(const struct repeat *repeat, const uint8_t *data) {
        const size_t at = repeat->network;

        return repeat->bytes[at + 6] == data[at + 6] && same(repeat, data, at + 8, 32 + PORTS);
}

/* As decode_tcp() and decode_udp() have it, of a whole header that is all there. */
static bool transport_is_fine(const struct repeat *repeat, const uint8_t *transport, size_t length,
                              bool *ret_connection_start) {
        size_t header;

        if (!repeat->tcp) {
                header = be16_of(transport + 4);
                *ret_connection_start = false;
                return header >= UDP_HEADER && header <= length;
        }
        header = (size_t) (transport[12] >> 4) * 4;
        *ret_connection_start = (transport[13] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
        return header >= TCP_HEADER_MIN && header <= length;
}

bool repeat_is(const struct repeat *repeat, const uint8_t *data, size_t captured, size_t wire_length,
               uint32_t *ret_bytes, bool *ret_connection_start) {
        const size_t header = repeat->tcp ? TCP_HEADER_MIN : UDP_HEADER, at = repeat->network;
        const bool ipv4 = repeat->transport == at + IPV4_HEADER;
        bool connection_start;
        size_t total;

        if (at == 0 || captured > wire_length || captured < repeat->transport + header ||
            !same_link(repeat, data) || !(ipv4 ? same_ipv4(repeat, data) : same_ipv6(repeat, data)))
                return false;
        /* what is not the length of the whole, is 0 or has wrapped, is left to the decoder: see set_length()
         */
        total = ipv4 ? be16_of(data + at + 2) : IPV6_HEADER + (size_t) be16_of(data + at + 4);
        if (total < repeat->transport - at + header || total > wire_length - at ||
            wire_length - at > UINT16_MAX ||
            !transport_is_fine(repeat, data + repeat->transport, total - (repeat->transport - at),
                               &connection_start))
                return false;
        *ret_bytes = (uint32_t) total;
        *ret_connection_start = connection_start;
        return true;
}
