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
