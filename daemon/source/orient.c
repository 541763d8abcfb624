/* SPDX-License-Identifier: MIT */
#include "source/orient.h"

#include <string.h>

#include "decode/decode.h"

static bool is_loopback_address(const struct in6_addr *address) {
        if (IN6_IS_ADDR_V4MAPPED(address))
                return address->s6_addr[12] == 127;
        return IN6_IS_ADDR_LOOPBACK(address);
}

/* Both ends are here: what went over the loopback interface; without the interface, what could only have. */
static bool is_local(const struct orient *orient, const struct packet *packet,
                     const struct interface *interface) {
        if (!orient->any_host && interface)
                return interface->flags & IFF_LOOPBACK;
        return is_loopback_address(&packet->key.local) || is_loopback_address(&packet->key.remote) ||
               memcmp(&packet->key.local, &packet->key.remote, sizeof(struct in6_addr)) == 0;
}

/* The link header does not say which way it went: the addresses must. */
static enum direction direction_by_address(const struct orient *orient, const struct packet *packet) {
        if (interfaces_is_ours(orient->interfaces, &packet->key.local))
                return DIRECTION_OUT;
        if (interfaces_is_ours(orient->interfaces, &packet->key.remote))
                return DIRECTION_IN;
        return DIRECTION_FORWARDED;
}

static enum direction direction_of(const struct orient *orient, const struct packet *packet,
                                   const struct interface *interface) {
        if (is_local(orient, packet, interface))
                return DIRECTION_LOCAL;

        switch (packet->type) {
        case PACKET_TYPE_UNKNOWN:
                return direction_by_address(orient, packet);
        case PACKET_TYPE_OTHER:
                return DIRECTION_FORWARDED;
        case PACKET_TYPE_FROM_US:
                return orient->any_host || interfaces_is_ours(orient->interfaces, &packet->key.local)
                               ? DIRECTION_OUT
                               : DIRECTION_FORWARDED;
        case PACKET_TYPE_TO_US:
                return orient->any_host || interfaces_is_ours(orient->interfaces, &packet->key.remote)
                               ? DIRECTION_IN
                               : DIRECTION_FORWARDED;
        }
        return DIRECTION_FORWARDED;
}

bool orient_packet(struct orient *orient, const uint8_t *data, size_t captured, size_t wire_length,
                   uint64_t time_usec, struct sample *ret_sample) {
        const struct interface *interface = NULL;
        enum unattributed reason = UNATTRIBUTED_NOT_IP;
        struct packet packet;
        int r;

        r = decode_packet(orient->link_type, data, captured, wire_length, &packet, &reason);
        if (!orient->any_host && packet.ifindex != 0)
                interface = interfaces_get(orient->interfaces, packet.ifindex);
        if (interface && interface->master != 0) {
                orient->skipped_enslaved += packet.bytes;
                return false;
        }

        *ret_sample = (struct sample){
                .key = packet.key,
                .time_usec = time_usec,
                .bytes = packet.bytes,
                .packets = 1,
                .ifindex = packet.ifindex,
                .fragment_id = packet.fragment_id,
                .fragment = packet.fragment,
                .connection_start = packet.connection_start,
        };
        if (r < 0) {
                bool loopback = interface && interface->flags & IFF_LOOPBACK;

                ret_sample->keyless = true;
                ret_sample->reason = reason;
                ret_sample->direction = loopback                             ? DIRECTION_LOCAL
                                        : packet.type == PACKET_TYPE_FROM_US ? DIRECTION_OUT
                                                                             : DIRECTION_IN;
                return true;
        }
        ret_sample->direction = direction_of(orient, &packet, interface);
        if (ret_sample->direction == DIRECTION_IN)
                ret_sample->key = flow_key_reverse(&packet.key);
        return true;
}
