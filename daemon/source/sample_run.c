/* SPDX-License-Identifier: MIT */
#include "source/sample_run.h"

#include <string.h>

#include "util/clock.h"
#include "util/macros.h"

/* How long a train may be: when a flow was last seen decides whose its last packets are, to some 100 ms. */
#define RUN_USEC (10 * USEC_PER_MSEC)

/* What decides what a flow is stays a sample of its own, in its place. */
static bool may_join(const struct sample *sample) {
        return !sample->keyless && !sample->connection_start && sample->fragment == FRAGMENT_NONE;
}

static bool joins(const struct sample_run *run, const struct sample *sample) {
        const struct sample *first = &run->sample;

        return sample->time_usec - first->time_usec < run->span_usec && sample->direction == first->direction &&
               sample->ifindex == first->ifindex &&
               memcmp(&sample->key, &first->key, sizeof(sample->key)) == 0 && may_join(sample);
}

/* To the end of its second at the most: a bucket has what is of that second. */
static uint64_t span_of(const struct sample *first) {
        return MIN(RUN_USEC, USEC_PER_SEC - first->time_usec % USEC_PER_SEC);
}

void sample_run_add(struct sample_run *run, const struct sample *sample, uint64_t like, sample_handler handler,
                    void *userdata) {
        if (joins(run, sample)) {
                run->sample.bytes += sample->bytes;
                run->sample.packets += sample->packets;
                run->sample.last_usec = MAX(run->sample.last_usec, sample->time_usec);
                run->like = like;
                return;
        }
        sample_run_end(run, handler, userdata);
        if (!may_join(sample)) {
                handler(sample, userdata);
                return;
        }
        run->sample = *sample;
        run->span_usec = span_of(sample);
        run->like = like;
}

void sample_run_end(struct sample_run *run, sample_handler handler, void *userdata) {
        if (run->span_usec > 0)
                handler(&run->sample, userdata);
        run->span_usec = 0;
}
