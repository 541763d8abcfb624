/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <systemd/sd-bus.h>

/* A copy of a method call that can be read and replied to like the call, to be kept while it waits. A bus
 * lets anybody send megabytes and descriptors by the dozen; what is kept has neither: no more than max_bytes
 * of arguments, one descriptor where the signature begins with one (h), none in what follows. Returns 0 with
 * how many bytes of arguments it has, -E2BIG with *ret_error for what is more than that, or another negative
 * errno. The caller unrefs *ret_copy. */
int call_copy(sd_bus_message *call, size_t max_bytes, sd_bus_error *ret_error, sd_bus_message **ret_copy,
              size_t *ret_bytes);
