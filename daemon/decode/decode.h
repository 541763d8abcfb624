/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/flow_key.h"
#include "model/sample.h"
#include "model/unattributed.h"

/* Of a link-layer address that is read: all of a MAC-48 one. */
#define LINK_ADDRESS_BYTES 6

/* What the link header says of the way a packet went (packet(7), sll_pkttype). */
enum packet_type {
        PACKET_TYPE_UNKNOWN, /* this link type does not say */
        PACKET_TYPE_TO_US,   /* unicast, broadcast or multicast that this host takes */
        PACKET_TYPE_OTHER,   /* for somebody else */
        PACKET_TYPE_FROM_US, /* sent, or forwarded, by this host */
};

/* One packet, decoded.
 *
 * A later fragment has no ports. What makes it one with its first fragment is source, destination and
 * fragment_id, and with IPv4 key.protocol as well (RFC 791 section 3.2). With IPv6 key.protocol must be left
 * out: the first fragment has the transport's there, a later one whatever the fragment header names, which
 * may be another extension header (RFC 8200 section 4.5). */
struct packet {
        struct flow_key key;  /* local = source, remote = destination: decode does not know who we are */
        uint32_t bytes;       /* at the IP layer: IP header and up, no link padding (a GSO super-packet
                               * whole, its headers once) */
        uint32_t ifindex;     /* SLL2; 0: the link type does not say */
        uint32_t fragment_id; /* host order, when fragment != FRAGMENT_NONE */
        enum fragment fragment;
        enum packet_type type;
        bool connection_start; /* TCP, SYN without ACK */

        bool has_link_source, has_link_destination; /* MAC-48 addresses that the link header names */
        uint8_t link_source[LINK_ADDRESS_BYTES], link_destination[LINK_ADDRESS_BYTES];
        bool tagged;      /* has a VLAN tag */
        uint16_t vlan_id; /* of the outermost tag; 0 is a priority tag only (IEEE 802.1Q) */
};

/* Decodes one packet. link_type is a LINKTYPE_/DLT_ value, any other than those that are decoded is the
 * reason UNATTRIBUTED_LINK_TYPE. captured bytes are at data; wire_length is what the packet had before the
 * snaplen cut it. Returns 0, or -EBADMSG with *ret_reason set to why not. *ret_packet is always set: on
 * failure it holds what was learnt before (type, ifindex, and bytes: the wire length less the link header as
 * far as that was understood). */
int decode_packet(int link_type, const uint8_t *data, size_t captured, size_t wire_length,
                  struct packet *ret_packet, enum unattributed *ret_reason);
