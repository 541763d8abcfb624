/* SPDX-License-Identifier: MIT */
#include "source/orient.h"

#include <string.h>

/* How many devices may lie above each other: net/core/dev.c, MAX_NEST_DEV. */
#define STACK_MAX 8

void orient_counts_add(struct orient_counts *counts, const struct orient_counts *more) {
        counts->received += more->received;
        counts->dropped += more->dropped;
        counts->skipped_enslaved += more->skipped_enslaved;
        counts->skipped_stacked += more->skipped_stacked;
        counts->skipped_address += more->skipped_address;
        counts->tunnel_inner += more->tunnel_inner;
}

static bool is_loopback_address(const struct in6_addr *address) {
        if (IN6_IS_ADDR_V4MAPPED(address))
                return address->s6_addr[12] == 127;
        return IN6_IS_ADDR_LOOPBACK(address);
}

/* Are some local addresses asked for, and others not? */
static bool some_count(const struct orient *orient) {
        return orient->addresses && orient->addresses->n > 0;
}

static bool is_captured(const struct orient *orient, uint32_t ifindex) {
        const struct device *device;

        if (!orient->devices)
                return true;
        device = device_list_find(orient->devices, ifindex);
        return device && device->handles > 0;
}

static bool address_is_on(const struct orient *orient, const struct in6_addr *address,
                          const struct interface *interface) {
        return interfaces_address_is_on(orient->interfaces, address, interface->ifindex, orient->time_usec);
}

/* Does `upper` take this packet, seen on `lower`, for itself? */
static bool takes(const struct orient *orient, const struct interface *upper, const struct interface *lower,
                  const struct packet *packet) {
        const struct in6_addr *source = &packet->key.local, *destination = &packet->key.remote;

        switch (upper->kind) {
        case INTERFACE_VLAN:
                return packet->tagged && packet->vlan_id == upper->vlan_id;
        case INTERFACE_MACVLAN:
        case INTERFACE_IPVLAN:
                if (!upper->has_mac || !lower->has_mac ||
                    memcmp(upper->mac, lower->mac, sizeof(upper->mac)) == 0)
                        return address_is_on(orient, source, upper) ||
                               address_is_on(orient, destination, upper);
                if (packet->has_link_source &&
                    memcmp(packet->link_source, upper->mac, sizeof(upper->mac)) == 0)
                        return true;
                if (packet->has_link_destination)
                        return memcmp(packet->link_destination, upper->mac, sizeof(upper->mac)) == 0;
                /* without the MAC address it was sent to: not to that of the device below */
                return packet->type == PACKET_TYPE_OTHER && address_is_on(orient, destination, upper);
        case INTERFACE_PLAIN:
        case INTERFACE_IFB:
        case INTERFACE_VRF:
        case INTERFACE_TUNNEL:
                return false;
        }
        return false;
}

static bool is_taken_above(const struct orient *orient, const struct interface *interface,
                           const struct packet *packet, int depth) {
        const struct interface *upper;

        for (uint32_t i = interface->first_upper; i != 0; i = upper->next_upper) {
                upper = interfaces_get_recent(orient->interfaces, i);
                if (!upper)
                        return false;
                if (takes(orient, upper, interface, packet) &&
                    (is_captured(orient, i) ||
                     (depth < STACK_MAX && is_taken_above(orient, upper, packet, depth + 1))))
                        return true;
        }
        return false;
}

/* The bridge or bond that has all packets of its port too. */
static const struct interface *master_of(const struct orient *orient, const struct interface *interface) {
        const struct interface *master =
                interface->master != 0 ? interfaces_get_recent(orient->interfaces, interface->master) : NULL;

        return master && master->kind != INTERFACE_VRF ? master : NULL;
}

static bool is_on_master(const struct orient *orient, const struct interface *interface,
                         const struct packet *packet) {
        const struct interface *master = master_of(orient, interface);

        for (int depth = 0; master && depth < STACK_MAX; depth++, master = master_of(orient, master))
                if (is_captured(orient, master->ifindex) || is_taken_above(orient, master, packet, 0))
                        return true;
        return false;
}

/* Does this packet count on another device? Then that is counted. */
static bool counts_elsewhere(struct orient *orient, const struct interface *interface,
                             const struct packet *packet) {
        if (interface->master != 0 && is_on_master(orient, interface, packet)) {
                orient->counts.skipped_enslaved += packet->bytes;
                return true;
        }
        if ((interface->kind == INTERFACE_IFB && !orient->devices) ||
            (interface->first_upper != 0 && is_taken_above(orient, interface, packet, 0))) {
                orient->counts.skipped_stacked += packet->bytes;
                return true;
        }
        return false;
}

/* Both ends are here: what went over the loopback interface; without the interface, what could only have. */
static bool is_local(const struct orient *orient, const struct packet *packet,
                     const struct interface *interface) {
        if (!orient->any_host && interface)
                return interface->flags & IFF_LOOPBACK;
        return is_loopback_address(&packet->key.local) || is_loopback_address(&packet->key.remote) ||
               memcmp(&packet->key.local, &packet->key.remote, sizeof(struct in6_addr)) == 0;
}

/* Who a savefile's host is, the addresses tell that are asked for. */
static bool is_ours(const struct orient *orient, const struct in6_addr *address) {
        if (orient->any_host && some_count(orient))
                return addresses_have(orient->addresses, address);
        return interfaces_is_ours(orient->interfaces, address, orient->time_usec);
}

/* The link header does not say which way it went: the addresses must. */
static enum direction direction_by_address(const struct orient *orient, const struct packet *packet,
                                           const struct interface *interface) {
        bool from_us = is_ours(orient, &packet->key.local);

        /* who has no address yet (DHCP) may be anybody */
        if (from_us && address_is_unspecified(&packet->key.local) && packet->has_link_source && interface &&
            interface->has_mac)
                from_us = memcmp(packet->link_source, interface->mac, sizeof(interface->mac)) == 0;
        if (from_us)
                return DIRECTION_OUT;
        return is_ours(orient, &packet->key.remote) ? DIRECTION_IN : DIRECTION_FORWARDED;
}

static enum direction direction_of(const struct orient *orient, const struct packet *packet,
                                   const struct interface *interface) {
        if (is_local(orient, packet, interface))
                return DIRECTION_LOCAL;

        switch (packet->type) {
        case PACKET_TYPE_UNKNOWN:
                return direction_by_address(orient, packet, interface);
        case PACKET_TYPE_OTHER:
                return DIRECTION_FORWARDED;
        case PACKET_TYPE_FROM_US:
                return orient->any_host || is_ours(orient, &packet->key.local) ? DIRECTION_OUT
                                                                               : DIRECTION_FORWARDED;
        case PACKET_TYPE_TO_US:
                return orient->any_host || is_ours(orient, &packet->key.remote) ? DIRECTION_IN
                                                                                : DIRECTION_FORWARDED;
        }
        return DIRECTION_FORWARDED;
}

/* The part of a packet between two local ends that is asked for. Returns false when neither is. */
static bool keep_asked_half(struct orient *orient, struct sample *sample) {
        bool out = addresses_have(orient->addresses, &sample->key.local),
             in = addresses_have(orient->addresses, &sample->key.remote);

        if (out != in)
                orient->counts.skipped_address += sample->bytes;
        if (out)
                sample->direction = in ? DIRECTION_LOCAL : DIRECTION_OUT;
        else if (in)
                sample->direction = DIRECTION_IN;
        else
                orient->counts.skipped_address += 2 * sample->bytes;
        return out || in;
}

/* Is its local address asked for? What is not, is neither seen nor anybody's: it stands beside the ledger.
 */
static bool is_asked_for(struct orient *orient, struct sample *sample) {
        const struct in6_addr *local =
                sample->direction == DIRECTION_IN ? &sample->key.remote : &sample->key.local;

        if (!some_count(orient))
                return true;
        if (sample->direction == DIRECTION_LOCAL)
                return keep_asked_half(orient, sample);
        if (sample->direction != DIRECTION_FORWARDED && addresses_have(orient->addresses, local))
                return true;
        orient->counts.skipped_address += sample->bytes;
        return false;
}

/* Is it between a container (whatever has a network namespace behind a veth) and others than this host? Then
 * it is told here, where the container has it, and no more on the bridge that the veth is a port of, where
 * it is just forwarded, if seen at all. Whether the address is the container's, who looks up its socket
 * sees. */
static bool is_of_container(const struct orient *orient, const struct interface *interface,
                            const struct packet *packet) {
        if (!orient->namespaces || orient->devices || !interface || interface->peer_netns == 0 ||
            some_count(orient) || packet->type == PACKET_TYPE_UNKNOWN)
                return false;
        if (interface->first_upper != 0 && is_taken_above(orient, interface, packet, 0))
                return false;
        return !is_ours(orient, &packet->key.local) && !is_ours(orient, &packet->key.remote);
}

/* As the container sees it: what comes out of the veth here it sent, what goes in it receives. */
static void turn_to_container(struct sample *sample, const struct interface *interface,
                              const struct packet *packet) {
        bool in = packet->type == PACKET_TYPE_FROM_US;

        sample->direction = in ? DIRECTION_IN : DIRECTION_OUT;
        sample->key = in ? flow_key_reverse(&packet->key) : packet->key;
        sample->key.netns = interface->peer_netns;
}

static void set_keyless(struct sample *sample, const struct packet *packet,
                            const struct interface *interface, enum unattributed reason) {
        bool loopback = interface && interface->flags & IFF_LOOPBACK;

        sample->keyless = true;
        sample->reason = reason;
        sample->direction = loopback                              ? DIRECTION_LOCAL
                            : packet->type == PACKET_TYPE_FROM_US ? DIRECTION_OUT
                                                                  : DIRECTION_IN;
        sample->loopback = loopback;
}

/* Only where type, interface and addresses decide all: not on a device that another one may take packets from, nor
 * where some are not asked for. */
static bool may_remember(const struct orient *orient, const struct interface *interface, const struct packet *packet) {
        return interface && interface->kind == INTERFACE_PLAIN && interface->master == 0 &&
               interface->first_upper == 0 && !some_count(orient) &&
               (packet->type == PACKET_TYPE_FROM_US || packet->type == PACKET_TYPE_TO_US) &&
               orient->time_usec > interfaces_changed_usec(orient->interfaces);
}

static void remember(struct orient *orient, const struct interface *interface, const uint8_t *data, size_t captured,
                     const struct packet *packet, const struct sample *sample) {
        struct orient_memo *memo = &orient->memos[orient->oldest_memo];

        if (!may_remember(orient, interface, packet) ||
            !repeat_set(&memo->repeat, orient->link_type, data, captured, packet))
                return;
        memo->like = ++orient->last_like;
        memo->sample = *sample;
        memo->sample.connection_start = false;
        orient->oldest_memo = (orient->oldest_memo + 1) % ORIENT_MEMOS;
}

void orient_begin(struct orient *orient) {
        uint64_t generation = interfaces_generation(orient->interfaces);

        if (generation == orient->generation && !some_count(orient))
                return;
        memset(orient->memos, 0, sizeof(orient->memos));
        orient->generation = generation;
        orient->changed_usec = interfaces_changed_usec(orient->interfaces);
}

const struct orient_memo *orient_recall(const struct orient *orient, const uint8_t *data, size_t captured,
                                        size_t wire_length, uint64_t time_usec, uint32_t *ret_bytes) {
        for (size_t i = 0; i < ORIENT_MEMOS; i++) {
                const struct orient_memo *memo = &orient->memos[i];

                if (repeat_is(&memo->repeat, data, captured, wire_length, ret_bytes))
                        return time_usec > orient->changed_usec ? memo : NULL;
        }
        return NULL;
}

struct sample orient_sample_like(const struct orient_memo *memo, uint64_t time_usec, uint32_t bytes) {
        struct sample sample = memo->sample;

        sample.time_usec = time_usec;
        sample.bytes = bytes;
        return sample;
}

bool orient_decode(struct orient *orient, const uint8_t *data, size_t captured, size_t wire_length,
                   uint64_t time_usec, struct sample *ret_sample) {
        const struct interface *interface = NULL;
        enum unattributed reason = UNATTRIBUTED_NOT_IP;
        struct packet packet;
        struct sample sample;
        bool of_container;
        int r;

        orient->time_usec = time_usec;
        r = decode_packet(orient->link_type, data, captured, wire_length, &packet, &reason);
        if (packet.ifindex == 0)
                packet.ifindex = orient->ifindex;
        if (!orient->any_host && packet.ifindex != 0)
                interface = interfaces_get_recent(orient->interfaces, packet.ifindex);
        of_container = r >= 0 && is_of_container(orient, interface, &packet);
        if (interface && !of_container && counts_elsewhere(orient, interface, &packet))
                return false;

        sample = (struct sample){
                .key = packet.key,
                .time_usec = time_usec,
                .bytes = packet.bytes,
                .packets = 1,
                .ifindex = packet.ifindex,
                .fragment_id = packet.fragment_id,
                .fragment = packet.fragment,
                .connection_start = packet.connection_start,
        };
        if (r < 0)
                set_keyless(&sample, &packet, interface, reason);
        else if (of_container) {
                turn_to_container(&sample, interface, &packet);
                remember(orient, interface, data, captured, &packet, &sample);
        } else {
                sample.direction = direction_of(orient, &packet, interface);
                sample.loopback = sample.direction == DIRECTION_LOCAL; /* also when only half of it is asked for */
                if (!is_asked_for(orient, &sample))
                        return false;
                if (sample.direction == DIRECTION_IN)
                        sample.key = flow_key_reverse(&packet.key);
                remember(orient, interface, data, captured, &packet, &sample);
        }
        if (interface && interface->kind == INTERFACE_TUNNEL)
                orient->counts.tunnel_inner += packet.bytes;
        *ret_sample = sample;
        return true;
}

bool orient_packet(struct orient *orient, const uint8_t *data, size_t captured, size_t wire_length,
                   uint64_t time_usec, struct sample *ret_sample) {
        const struct orient_memo *memo;
        uint32_t bytes;

        orient_begin(orient);
        memo = orient_recall(orient, data, captured, wire_length, time_usec, &bytes);
        if (!memo)
                return orient_decode(orient, data, captured, wire_length, time_usec, ret_sample);
        *ret_sample = orient_sample_like(memo, time_usec, bytes);
        return true;
}
