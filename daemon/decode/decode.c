/* SPDX-License-Identifier: MIT */
#include "decode/decode.h"

#include "decode/link.h"
#include "decode/network.h"
#include "decode/transport.h"

static int decode(int link_type, struct cursor *cursor, struct packet *packet,
                  enum unattributed *ret_reason) {
        enum network network;
        int r;

        r = link_decode(link_type, cursor, packet, &network, ret_reason);
        packet->bytes = (uint32_t) cursor->wire;
        if (r < 0)
                return r;
        r = network_decode(network, cursor, packet, ret_reason);
        return r < 0 ? r : transport_decode(cursor, packet, ret_reason);
}

int decode_packet(int link_type, const uint8_t *data, size_t captured, size_t wire_length,
                  struct packet *ret_packet, enum unattributed *ret_reason) {
        /* a savefile may claim to hold more of a packet than there was of it */
        struct cursor cursor = {
                .data = data, .left = captured < wire_length ? captured : wire_length, .wire = wire_length};
        int r;

        *ret_packet = (struct packet){};
        r = decode(link_type, &cursor, ret_packet, ret_reason);
        if (r < 0) { /* what was read of the key so far is no key */
                ret_packet->key = (struct flow_key){};
                ret_packet->fragment = FRAGMENT_NONE;
                ret_packet->connection_start = false;
        }
        return r;
}
