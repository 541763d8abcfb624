/* SPDX-License-Identifier: MIT */
#pragma once

#include "decode/cursor.h"
#include "decode/decode.h"

/* The shortest headers there are, in bytes: RFC 9293 section 3.1; RFC 768 and RFC 3828. */
#define TCP_HEADER_MIN 20
#define UDP_HEADER     8

/* RFC 9293 section 3.1 */
#define TCP_SYN 0x02
#define TCP_ACK 0x10

/* Reads the ports of what packet->key.protocol says it is, and whether it starts a connection; whatever has
 * no ports keeps 0, and so does a later fragment. The cursor stands at the transport header and ends with
 * the packet. Returns 0, or -EBADMSG with *ret_reason set: the ports are not there, or what can be seen of
 * the header contradicts itself. A snaplen that cuts behind the ports is no error. */
int transport_decode(struct cursor *cursor, struct packet *packet, enum unattributed *ret_reason);
