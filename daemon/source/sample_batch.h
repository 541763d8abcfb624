/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "model/sample.h"
#include "util/macros.h"

/* Samples that a worker has read and that the books have not seen yet. Packets of a flow in one direction, second
 * and interface become one sample, in a table of the worker's own; what decides what a flow is (a SYN, a fragment)
 * stays a sample of its own, in its place. */
struct sample_batch;

/* Room for max samples. Returns 0 or a negative errno. */
int sample_batch_new(size_t max, struct sample_batch **ret_batch);
void sample_batch_free(struct sample_batch *batch);
DEFINE_CLEANUP(struct sample_batch *, sample_batch_free)

/* Adds a sample without an owner; only where it is not full. */
void sample_batch_add(struct sample_batch *batch, const struct sample *sample);
bool sample_batch_is_full(const struct sample_batch *batch);

/* Hands all over, in their order, and empties it. */
void sample_batch_take(struct sample_batch *batch, sample_handler handler, void *userdata);
