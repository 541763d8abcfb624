/* SPDX-License-Identifier: MIT */
#pragma once

#include "decode/cursor.h"
#include "decode/decode.h"

/* Link types by their DLT_ value, as pcap_datalink(3PCAP) returns it on Linux; the tcpdump.org list of
 * link-layer header types describes each. Below 104 some values differ between systems (pcap/dlt.h), and a
 * savefile may hold what its own system calls it: OpenBSD's DLT_RAW is 14 and its DLT_LOOP 12, which here is
 * DLT_RAW. A family in front of such a packet is then taken for an IP version that does not exist, and the
 * packet is refused, not misread. */
enum link_type {
        LINK_NULL = 0,
        LINK_EN10MB = 1,
        LINK_PPP = 9,
        LINK_RAW = 12,
        LINK_RAW_OPENBSD = 14,
        LINK_PPP_SERIAL = 50,
        LINK_PPP_ETHER = 51,
        LINK_RAW_FILE = 101, /* LINKTYPE_RAW: what savefiles hold for it */
        LINK_LOOP = 108,
        LINK_LINUX_SLL = 113,
        LINK_IPV4 = 228,
        LINK_IPV6 = 229,
        LINK_LINUX_SLL2 = 276,
};

/* IEEE Std 802 EtherTypes, as IANA lists them. */
#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd

/* What follows the link header. */
enum network {
        NETWORK_BY_VERSION, /* the header does not say: IP's own version does */
        NETWORK_IPV4,
        NETWORK_IPV6,
        NETWORK_OTHER,
};

/* Reads the link header, tags and all, and sets type and ifindex of *packet where it names them. Returns 0,
 * or -EBADMSG with *ret_reason set. The cursor then stands behind the last header that was read in full. */
int link_decode(int link_type, struct cursor *cursor, struct packet *packet, enum network *ret_network,
                enum unattributed *ret_reason);
