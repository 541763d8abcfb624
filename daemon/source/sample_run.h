/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "model/sample.h"
#include "util/macros.h"

/* Packets come in trains: those of one flow in one direction that follow each other within moments become one sample,
 * which the books are told of once. Zero-initialised. */
struct sample_run {
        struct sample sample; /* with the stamp of its first packet */
        uint64_t span_usec;   /* how long after that its packets still join; 0: it is not open */
        uint64_t like;        /* what its packets are known to be like: see orient_recall(); 0: nothing */
};

/* Adds a sample without an owner, of a packet that is known to be like that; hands over what came before where it is
 * not of the same train. */
void sample_run_add(struct sample_run *run, const struct sample *sample, uint64_t like, sample_handler handler,
                    void *userdata);

/* Adds a packet, where it is like those that came last, and soon enough. Returns false where it is not. */
static inline bool sample_run_extend(struct sample_run *run, uint64_t like, uint64_t time_usec, uint32_t bytes) {
        /* stamps may go back, with the clock or between processors: then the difference is huge */
        if (like != run->like || time_usec - run->sample.time_usec >= run->span_usec)
                return false;
        run->sample.bytes += bytes;
        run->sample.packets++;
        run->sample.last_usec = MAX(run->sample.last_usec, time_usec);
        return true;
}

/* Hands over what there is, if anything. */
void sample_run_end(struct sample_run *run, sample_handler handler, void *userdata);
