/* SPDX-License-Identifier: MIT */
#include "decode/repeat.h"

#include <netinet/in.h>
#include <string.h>

#include "decode/cursor.h"
#include "decode/link.h"
#include "decode/transport.h"
#include "util/macros.h"

/* Bytes of the link header, and where in it the EtherType is. */
#define ETHERNET_HEADER 14
#define ETHERNET_TYPE   12
#define SLL2_HEADER     20
#define SLL2_TYPE       0

#define IPV4_HEADER 20
#define IPV6_HEADER 40
#define PORTS       4

/* What decides of IP header and ports. IPv4, RFC 791 section 3.1: version and length, flags and offset, protocol, addresses.
 * IPv6, RFC 8200 section 3: version and half of the traffic class, next header, addresses. */
static const uint8_t deciding_ipv4[IPV4_HEADER + PORTS] = {[0] = 0xff, [6 ... 7] = 0xff, [9] = 0xff, [12 ... 23] = 0xff};
static const uint8_t deciding_ipv6[IPV6_HEADER + PORTS] = {[0] = 0xff, [6] = 0xff, [8 ... 43] = 0xff};

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

static uint64_t word_at(const uint8_t *data) {
        uint64_t word;

        memcpy(&word, data, sizeof(word));
        return word;
}

/* Words follow each other, but for the last one, which ends where the ports do. */
static size_t word_offset(const struct repeat *repeat, size_t i) {
        return MIN(8 * i, repeat->length - (size_t) 8);
}

static void set_words(struct repeat *repeat, const uint8_t *network, const uint8_t *deciding) {
        for (size_t i = 0; 8 * i < repeat->length; i++) {
                repeat->masks[i] = word_at(deciding + word_offset(repeat, i));
                repeat->words[i] = word_at(network + word_offset(repeat, i)) & repeat->masks[i];
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
        memcpy(repeat->link, data, network);
        repeat->network = network;
        repeat->length = header + PORTS;
        repeat->tcp = packet->key.protocol == IPPROTO_TCP;
        set_words(repeat, data + network, header == IPV4_HEADER ? deciding_ipv4 : deciding_ipv6);
        return true;
}

/* Lengths that are constant are compared without a call. */
static bool same(const struct repeat *repeat, const uint8_t *data, size_t offset, size_t n) {
        return memcmp(repeat->link + offset, data + offset, n) == 0;
}

/* libpcap has just written the header of LINUX_SLL2, field by field, and what is read in other pieces than it was written
 * in waits for all of them: Agner Fog, microarchitecture, on store forwarding. Protocol and what is reserved, interface,
 * hardware type, packet type and address length, address. */
static bool same_link(const struct repeat *repeat, const uint8_t *data) {
        if (repeat->network == ETHERNET_HEADER)
                return same(repeat, data, 0, ETHERNET_HEADER);
        return same(repeat, data, 0, 2) && same(repeat, data, 2, 2) && same(repeat, data, 4, 4) && same(repeat, data, 8, 2) &&
               same(repeat, data, 10, 1) && same(repeat, data, 11, 1) && same(repeat, data, 12, 8);
}

static uint64_t word_differs(const struct repeat *repeat, size_t i, const uint8_t *word) {
        return (word_at(word) & repeat->masks[i]) ^ repeat->words[i];
}

/* The first three are all of IPv4. */
static bool same_network(const struct repeat *repeat, const uint8_t *network) {
        uint64_t differs = word_differs(repeat, 0, network) | word_differs(repeat, 1, network + 8) |
                           word_differs(repeat, 2, network + 16);

        for (size_t i = 3; 8 * i < repeat->length; i++)
                differs |= word_differs(repeat, i, network + word_offset(repeat, i));
        return differs == 0;
}

/* As decode_tcp() and decode_udp() have it, of a whole header that is all there. */
static bool transport_is_fine(const struct repeat *repeat, const uint8_t *transport, size_t length) {
        size_t header;

        if (!repeat->tcp) {
                header = be16_of(transport + 4);
                return header >= UDP_HEADER && header <= length;
        }
        header = (size_t) (transport[12] >> 4) * 4;
        return header >= TCP_HEADER_MIN && header <= length && (transport[13] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

bool repeat_is(const struct repeat *repeat, const uint8_t *data, size_t captured, size_t wire_length,
               uint32_t *ret_bytes) {
        const size_t header = repeat->tcp ? TCP_HEADER_MIN : UDP_HEADER, at = repeat->network;
        const size_t transport = (size_t) repeat->length - PORTS; /* from the IP header */
        const uint8_t *network = data + at;
        size_t total;

        if (at == 0 || captured > wire_length || captured < at + transport + header || !same_network(repeat, network) ||
            !same_link(repeat, data))
                return false;
        /* what is not the length of the whole, is 0 or has wrapped, is left to the decoder: see set_length()
         */
        total = transport == IPV4_HEADER ? be16_of(network + 2) : IPV6_HEADER + (size_t) be16_of(network + 4);
        if (total < transport + header || total > wire_length - at || wire_length - at > UINT16_MAX ||
            !transport_is_fine(repeat, network + transport, total - transport))
                return false;
        *ret_bytes = (uint32_t) total;
        return true;
}
