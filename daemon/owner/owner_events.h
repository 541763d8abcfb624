/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "owner/socket_event.h"
#include "util/macros.h"

/* Programs in the kernel that tell which process uses which socket of our network namespace, by a ring that they
 * share with us. They are gone with this process, however it ends. */
struct owner_events;

typedef void (*socket_event_handler)(const struct socket_event *event, void *userdata);

/* Loads them. ring_bytes: of the ring, made a power of two of pages. Returns 0 or a negative errno with ret_why,
 * of BPF_WHY_MAX bytes (kernel/bpf_load.h), saying what the kernel said. */
int owner_events_new(uint32_t ring_bytes, struct owner_events **ret_events, char *ret_why);
void owner_events_free(struct owner_events *events);
DEFINE_CLEANUP(struct owner_events *, owner_events_free)

/* Hands over what was told since the last call, and never waits. *ret_until_usec: nothing from before that time
 * (CLOCK_REALTIME) is still to come. Returns 0; or -ENOBUFS: some of it was lost, as there was no room, or the
 * clock was set, so that times do not go with those of packets. */
int owner_events_read(struct owner_events *events, socket_event_handler handler, void *userdata,
                      uint64_t *ret_until_usec);

/* Forgets what is still to be read, and hands over all sockets that are there: SOCKET_HELD, SOCKET_USED and
 * SOCKET_MANY, at time 0. What comes to them meanwhile is to be read next. Takes as long as walking over all
 * descriptors of the machine, about 1 µs for each. Returns 0 or a negative errno. */
int owner_events_list(struct owner_events *events, socket_event_handler handler, void *userdata);

/* The path of a cgroup that an event told of below the root of the hierarchy, also when it is gone; good until the next
 * call for these events. NULL: not known, or the root. */
const char *owner_events_cgroup(struct owner_events *events, uint64_t cgroup_id);

/* How many were lost so far. */
uint64_t owner_events_lost(const struct owner_events *events);
