/* SPDX-License-Identifier: MIT */
#pragma once

#include "decode/cursor.h"
#include "decode/decode.h"
#include "decode/link.h"

/* Reads IPv4 or IPv6 with all headers up to the transport's: sets addresses, protocol, fragment and bytes of
 * *packet. The cursor then stands at the transport header and ends with the packet: link padding is cut off.
 * Returns 0, or -EBADMSG with *ret_reason set. */
int network_decode(enum network network, struct cursor *cursor, struct packet *packet,
                   enum unattributed *ret_reason);

/* Reads the ports of what the packet's protocol says it is; whatever has none keeps 0. Returns as above. */
int transport_decode(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason);

/* What is missing was cut off by the snaplen (truncated), or was never there (malformed). Returns -EBADMSG.
 */
int cut_short(const struct cursor *cursor, enum unattributed *ret_reason);
