/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/device_list.h"
#include "source/filter.h"
#include "source/orient.h"
#include "source/source.h"
#include "util/macros.h"

/* One pcap handle, open on one device. */
struct live_handle;

/* Opens it on the interface `device` stands for, or with ifindex 0 on all; orient says who we are, and what
 * the handle adds to it is set here. The device counts what comes. Returns 0 or a negative errno with
 * *ret_error: -ENETDOWN while it is down, -ENODEV when the name is no longer that interface's, -EPERM,
 * -EPROTONOSUPPORT for a link type that is not decoded, -EINVAL for a filter that does not go with it. */
int live_handle_open(struct device *device, size_t ring_bytes, const struct filter *filter,
                     const struct orient *orient, struct live_handle **ret_capture,
                     struct source_error *ret_error);
void live_handle_free(struct live_handle *capture);
DEFINE_CLEANUP(struct live_handle *, live_handle_free)

/* Another filter from the next packet on. On failure the old one stands. */
int live_handle_set_filter(struct live_handle *capture, const struct filter *filter,
                           struct source_error *ret_error);

/* Only packets stamped from..to (CLOCK_REALTIME, µs, to excluded) count: for two handles that see the same
 * while one takes over from the other. */
void live_handle_set_span(struct live_handle *capture, uint64_t from_usec, uint64_t to_usec);

/* Hands over at most max_packets and never waits. Returns how many packets there were, or a negative errno.
 */
int live_handle_drain(struct live_handle *capture, int max_packets, sample_handler handler, void *userdata,
                      struct source_error *ret_error);

/* Is it still bound to the interface that it was opened on? Not when that is gone, be it that another has
 * its index by now. */
bool live_handle_is_bound(const struct live_handle *capture);

/* Takes in what the kernel dropped. */
void live_handle_count_drops(struct live_handle *capture);

struct device *live_handle_device(const struct live_handle *capture);
size_t live_handle_ring_bytes(const struct live_handle *capture);
int live_handle_fd(const struct live_handle *capture);

/* What the filter of each handle let pass, in packets, and what orient_packet() made of it. */
const struct orient_counts *live_handle_counts(const struct live_handle *capture);
