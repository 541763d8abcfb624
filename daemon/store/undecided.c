/* SPDX-License-Identifier: MIT */
#include "store/undecided.h"

#include <errno.h>
#include <string.h>

/* What comes in the second or so that an owner may take to be found; more is given up. */
#define MAX_BYTES (1u << 20)

struct entry {
        struct entry *next;
        struct tapped_packet packet; /* its data is what follows */
        uint64_t since_usec;
        uint8_t data[];
};

struct undecided {
        struct entry *first, **last;
        size_t bytes;
};

int undecided_new(struct undecided **ret_queue) {
        struct undecided *queue = calloc(1, sizeof(*queue));

        if (!queue)
                return -ENOMEM;
        queue->last = &queue->first;
        *ret_queue = queue;
        return 0;
}

void undecided_free(struct undecided *queue) {
        if (!queue)
                return;
        while (queue->first)
                undecided_remove(queue);
        free(queue);
}

static size_t size_of(const struct tapped_packet *packet) {
        return sizeof(struct entry) + packet->captured;
}

int undecided_add(struct undecided *queue, const struct tapped_packet *packet, uint64_t now_usec) {
        struct entry *entry = malloc(size_of(packet));
        int gave_way = 0;

        if (!entry)
                return -ENOMEM;
        *entry = (struct entry){.packet = *packet, .since_usec = now_usec};
        entry->packet.data = memcpy(entry->data, packet->data, packet->captured);
        while (queue->first && queue->bytes + size_of(packet) > MAX_BYTES) {
                undecided_remove(queue);
                gave_way++;
        }
        *queue->last = entry;
        queue->last = &entry->next;
        queue->bytes += size_of(packet);
        return gave_way;
}

const struct tapped_packet *undecided_first(const struct undecided *queue, uint64_t *ret_since_usec) {
        if (!queue->first)
                return NULL;
        *ret_since_usec = queue->first->since_usec;
        return &queue->first->packet;
}

void undecided_remove(struct undecided *queue) {
        struct entry *entry = queue->first;

        queue->first = entry->next;
        if (!queue->first)
                queue->last = &queue->first;
        queue->bytes -= size_of(&entry->packet);
        free(entry);
}
