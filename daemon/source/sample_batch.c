/* SPDX-License-Identifier: MIT */
#include "source/sample_batch.h"

#include <errno.h>

#include "util/clock.h"
#include "util/hash_table.h"

/* The sample of each direction that more packets of a flow can be added to. */
struct open_samples {
        struct flow_key key; /* key */
        struct sample *samples[DIRECTION_FORWARDED + 1];
};

struct sample_batch {
        struct hash_table *flows; /* struct open_samples */
        size_t n, max;
        struct sample samples[];
};

int sample_batch_new(size_t max, struct sample_batch **ret_batch) {
        _cleanup_(sample_batch_freep) struct sample_batch *batch = NULL;
        int r;

        if (max == 0 || max > UINT32_MAX)
                return -EINVAL;
        batch = calloc(1, sizeof(*batch) + max * sizeof(batch->samples[0]));
        if (!batch)
                return -ENOMEM;
        batch->max = max;
        r = hash_table_new(sizeof(struct open_samples), sizeof(struct flow_key), (uint32_t) max, &batch->flows);
        if (r < 0)
                return r;
        *ret_batch = TAKE_PTR(batch);
        return 0;
}

void sample_batch_free(struct sample_batch *batch) {
        if (!batch)
                return;
        hash_table_free(batch->flows);
        free(batch);
}

static struct sample *append(struct sample_batch *batch, const struct sample *sample) {
        batch->samples[batch->n] = *sample;
        return &batch->samples[batch->n++];
}

static void close_flow(struct sample_batch *batch, const struct flow_key *key) {
        struct open_samples *open = hash_table_find(batch->flows, key);

        if (open)
                hash_table_remove(batch->flows, open);
}

/* What comes after belongs to another connection, or may: from both ends of it. */
static void close_connection(struct sample_batch *batch, const struct sample *sample) {
        const struct flow_key other_end = flow_key_reverse(&sample->key);

        close_flow(batch, &sample->key);
        close_flow(batch, &other_end);
}

static bool can_join(const struct sample *open, const struct sample *sample) {
        return open->time_usec / USEC_PER_SEC == sample->time_usec / USEC_PER_SEC &&
               open->ifindex == sample->ifindex;
}

void sample_batch_add(struct sample_batch *batch, const struct sample *sample) {
        struct open_samples *open;
        struct sample **slot;
        void *entry;

        if (sample->keyless || sample->fragment != FRAGMENT_NONE) {
                (void) append(batch, sample);
                return;
        }
        if (sample->connection_start) {
                close_connection(batch, sample);
                (void) append(batch, sample);
                return;
        }
        open = hash_table_find(batch->flows, &sample->key);
        if (!open) {
                if (hash_table_add(batch->flows, &sample->key, &entry) < 0) { /* no memory: then it is by itself */
                        (void) append(batch, sample);
                        return;
                }
                open = entry;
        }
        slot = &open->samples[sample->direction];
        if (*slot && can_join(*slot, sample)) {
                (*slot)->bytes += sample->bytes;
                (*slot)->packets += sample->packets;
                (*slot)->last_usec = MAX((*slot)->last_usec, sample->time_usec);
        } else
                *slot = append(batch, sample);
}

bool sample_batch_is_full(const struct sample_batch *batch) {
        return batch->n == batch->max;
}

void sample_batch_take(struct sample_batch *batch, sample_handler handler, void *userdata) {
        struct open_samples *open;
        uint32_t cursor = 0;

        for (size_t i = 0; i < batch->n; i++)
                handler(&batch->samples[i], userdata);
        batch->n = 0;
        while ((open = hash_table_next(batch->flows, &cursor)))
                hash_table_remove(batch->flows, open);
}
