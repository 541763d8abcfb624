/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "model/sample.h"

/* Packets come in trains: those of one flow in one direction that follow each other within moments become one sample,
 * which the books are told of once. Zero-initialised. */
struct sample_run {
        struct sample sample; /* with the stamp of its first packet */
        bool open;
};

/* Adds a sample without an owner; hands over what came before where it is not of the same train. */
void sample_run_add(struct sample_run *run, const struct sample *sample, sample_handler handler, void *userdata);

/* Hands over what there is, if anything. */
void sample_run_end(struct sample_run *run, sample_handler handler, void *userdata);
