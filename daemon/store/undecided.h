/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "source/packet_tap.h"
#include "util/macros.h"

/* Packets in the order they came, kept until it is known whose they are. Bounded: the oldest gives way. */
struct undecided;

/* Returns 0 or -ENOMEM. */
int undecided_new(struct undecided **ret_queue);
void undecided_free(struct undecided *queue);
DEFINE_CLEANUP(struct undecided *, undecided_free)

/* Keeps a copy, at now_usec (CLOCK_MONOTONIC). Returns how many gave way for it; -ENOMEM: it is not kept. */
int undecided_add(struct undecided *queue, const struct tapped_packet *packet, uint64_t now_usec);

/* The oldest; NULL: none. *ret_since_usec: when it was added. Good until undecided_remove(). */
const struct tapped_packet *undecided_first(const struct undecided *queue, uint64_t *ret_since_usec);
void undecided_remove(struct undecided *queue);
