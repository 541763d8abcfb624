/* SPDX-License-Identifier: MIT */
#include "account/fragment_table.h"

#include <errno.h>

#include "util/clock.h"
#include "util/hash_table.h"

/* What identifies a fragmented packet: RFC 791 section 3.2 and RFC 8200 section 4.5. IPv6 leaves the
 * protocol out: later fragments name the header behind the fragment header, which need not be the transport.
 * The direction keeps apart the two hosts' choices of id. */
struct fragment_key {
        struct in6_addr local, remote;
        uint32_t id;
        uint16_t netns; /* as in the flow key: others may use the same addresses */
        uint8_t direction;
        uint8_t protocol; /* 0 with IPv6 */
};
_Static_assert(sizeof(struct fragment_key) == 40, "hashed as bytes: no hidden padding");

struct fragmented {
        struct fragment_key key; /* key */
        struct flow_key flow;
        uint64_t time_usec;
        struct fragmented *older, *newer; /* in the order first fragments came in */
};

struct fragment_table {
        struct hash_table *packets;
        struct fragmented *oldest, *newest;
};

int fragment_table_new(uint32_t max_packets, struct fragment_table **ret_table) {
        _cleanup_(fragment_table_freep) struct fragment_table *table = calloc(1, sizeof(*table));
        int r;

        if (!table)
                return -ENOMEM;
        r = hash_table_new(sizeof(struct fragmented), sizeof(struct fragment_key), max_packets,
                           &table->packets);
        if (r < 0)
                return r;

        *ret_table = TAKE_PTR(table);
        return 0;
}

void fragment_table_free(struct fragment_table *table) {
        if (!table)
                return;
        hash_table_free(table->packets);
        free(table);
}

static struct fragment_key key_of(const struct sample *sample) {
        return (struct fragment_key){
                .local = sample->key.local,
                .remote = sample->key.remote,
                .id = sample->fragment_id,
                .netns = sample->key.netns,
                .direction = (uint8_t) sample->direction,
                .protocol = flow_key_is_ipv4(&sample->key) ? sample->key.protocol : 0,
        };
}

static void unlink_packet(struct fragment_table *table, struct fragmented *packet) {
        *(packet->older ? &packet->older->newer : &table->oldest) = packet->newer;
        *(packet->newer ? &packet->newer->older : &table->newest) = packet->older;
}

static void link_newest(struct fragment_table *table, struct fragmented *packet) {
        packet->newer = NULL;
        packet->older = table->newest;
        *(table->newest ? &table->newest->newer : &table->oldest) = packet;
        table->newest = packet;
}

static void forget(struct fragment_table *table, struct fragmented *packet) {
        unlink_packet(table, packet);
        hash_table_remove(table->packets, packet);
}

/* Too old, or stamped by a clock that has been set back since. */
static bool stale(const struct fragmented *packet, uint64_t now_usec) {
        uint64_t age =
                now_usec > packet->time_usec ? now_usec - packet->time_usec : packet->time_usec - now_usec;

        return age > FRAGMENT_SECONDS * USEC_PER_SEC;
}

int fragment_table_first(struct fragment_table *table, const struct sample *sample) {
        struct fragment_key key = key_of(sample);
        struct fragmented *packet;

        while (table->oldest && stale(table->oldest, sample->time_usec))
                forget(table, table->oldest);

        packet = hash_table_find(table->packets, &key);
        if (packet)
                unlink_packet(table, packet);
        else {
                void *entry;
                int r;

                if (table->oldest && hash_table_size(table->packets) == hash_table_capacity(table->packets))
                        forget(table, table->oldest);
                r = hash_table_add(table->packets, &key, &entry);
                if (r < 0)
                        return r;
                packet = entry;
        }
        packet->flow = sample->key;
        packet->time_usec = sample->time_usec;
        link_newest(table, packet);
        return 0;
}

int fragment_table_later(struct fragment_table *table, struct sample *sample) {
        struct fragment_key key = key_of(sample);
        const struct fragmented *packet = hash_table_find(table->packets, &key);

        if (!packet || stale(packet, sample->time_usec))
                return 0;
        sample->key = packet->flow;
        return 1;
}
