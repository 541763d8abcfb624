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
#include "util/worker_pool.h"

/* One device, captured on: a pcap handle for each worker, among which the kernel divides the packets so that those
 * of a flow all come to the same one. */
struct live_handle;

struct live_handle_config {
        size_t ring_bytes;           /* of all its handles together */
        const struct filter *filter; /* read, and not kept */
        const struct orient *orient; /* who we are; what a handle adds to it is set here */
        struct worker_pool *workers; /* outlives the handle */
};

/* Opens it on the interface `device` stands for, or with ifindex 0 on all. The device counts what comes. Returns 0
 * or a negative errno with *ret_error: -ENETDOWN while it is down, -ENODEV when the name is no longer that
 * interface's, -EPERM, -EPROTONOSUPPORT for a link type that is not decoded, -EINVAL for a filter that does not go
 * with it. */
int live_handle_open(struct device *device, const struct live_handle_config *config,
                     struct live_handle **ret_capture, struct source_error *ret_error);
void live_handle_free(struct live_handle *capture);
DEFINE_CLEANUP(struct live_handle *, live_handle_free)

/* Another filter from the next packet on. On failure the old one stands. */
int live_handle_set_filter(struct live_handle *capture, const struct filter *filter,
                           struct source_error *ret_error);

/* Only packets stamped from..to (CLOCK_REALTIME, µs, to excluded) count: for two handles that see the same
 * while one takes over from the other. */
void live_handle_set_span(struct live_handle *capture, uint64_t from_usec, uint64_t to_usec);

/* What comes from now on does not count; what is still on its way from before does. */
void live_handle_end(struct live_handle *capture);

/* Hands over about max_packets at the most and never waits; with several workers, what is handed over is of several
 * packets each, see sample_batch.h. Returns how many packets there were, at least max_packets where there are more
 * to be read, or a negative errno. */
int live_handle_drain(struct live_handle *capture, int max_packets, sample_handler handler, void *userdata,
                      struct source_error *ret_error);

/* Is it still bound to the interface that it was opened on? Not when that is gone, be it that another has
 * its index by now. */
bool live_handle_is_bound(const struct live_handle *capture);

/* Takes in what the kernel dropped. */
void live_handle_count_drops(struct live_handle *capture);

struct device *live_handle_device(const struct live_handle *capture);
size_t live_handle_ring_bytes(const struct live_handle *capture);

/* Adds its descriptors to an epoll(7) instance, where they become readable when packets come, or takes them out.
 * The first returns 0 or a negative errno, and none is in it then. */
int live_handle_watch(const struct live_handle *capture, int epoll_fd);
void live_handle_unwatch(const struct live_handle *capture, int epoll_fd);

/* What the filter of its handles let pass, in packets, and what orient_packet() made of it. */
void live_handle_counts(const struct live_handle *capture, struct orient_counts *ret_counts);
