/* SPDX-License-Identifier: MIT */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/source.h"

#define ADDRESSES_MAX 256

/* Local addresses that count, each with how many of its first bits matter (IPv4 ones are v4-mapped). */
struct addresses {
        size_t n; /* 0: all count */
        struct {
                struct in6_addr address;
                uint8_t bits; /* 0..128 */
        } each[ADDRESSES_MAX];
};

/* Reads `ADDRESS` or `ADDRESS/BITS` each; the vector ends with NULL. Returns 0, or -EINVAL with *ret_error
 * naming the one that is none. */
int addresses_parse(const char *const *texts, struct addresses *ret_addresses,
                    struct source_error *ret_error);

bool addresses_have(const struct addresses *addresses, const struct in6_addr *address);
