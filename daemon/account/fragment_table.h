/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>

#include "account/traffic.h"
#include "model/sample.h"
#include "util/macros.h"

/* First fragments of IP packets, so that later ones, which carry no ports, can go with them. */
struct fragment_table;

/* Returns 0, -EINVAL or -ENOMEM. */
int fragment_table_new(uint32_t max_packets, struct fragment_table **ret_table);
void fragment_table_free(struct fragment_table *table);
DEFINE_CLEANUP(struct fragment_table *, fragment_table_free)

/* Remembers a FRAGMENT_FIRST for so long, by the packets' own time: far less than the 30 s that a receiver
 * waits (net.ipv4.ipfrag_time, ip-sysctl), because a 16-bit id comes round again within seconds on a fast
 * path. */
#define FRAGMENT_SECONDS 5

/* Where the table is full, the oldest gives way. Returns 0 or -ENOMEM. */
int fragment_table_first(struct fragment_table *table, const struct sample *sample);

/* Gives a FRAGMENT_LATER the key of its first one. Returns 1 with the ports of *sample filled in, 0 when
 * that first one is not known. */
int fragment_table_later(struct fragment_table *table, struct sample *sample);
