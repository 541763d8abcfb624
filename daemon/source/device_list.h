/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/macros.h"

/* X(name in code, text) */
#define DEVICE_STATES(X)                                                       \
        X(WAITING, "waiting") /* a name or pattern that no device has yet */   \
        X(CAPTURING, "capturing")                                              \
        X(DOWN, "down")       /* there, but nothing goes through it */         \
        X(COVERED, "covered") /* its packets are captured on another device */ \
        X(FAILED, "failed")   /* cannot be captured on: last_error says why */ \
        X(GONE, "gone")       /* not there any more, or not chosen any more */ \
        X(STOPPED, "stopped") /* the capture as a whole is */

enum device_state {
#define DEVICE_STATE_ENUM(name, text) DEVICE_##name,
        DEVICE_STATES(DEVICE_STATE_ENUM)
#undef DEVICE_STATE_ENUM
                DEVICE_STATE_MAX
};

/* Handles that are open at a time, by their memory: see ring_bytes_for() of pcap_live.c. */
#define DEVICES_CAPTURED_MAX 64

#define DEVICE_NAME_MAX  144 /* a pattern that waits for its devices is an entry too */
#define DEVICE_ERROR_MAX 256

/* One device that is captured on, was, or should be. */
struct device {
        uint32_t ifindex; /* 0: of no interface that is there */
        enum device_state state;
        unsigned handles; /* open on it, also while it is down; two while one takes over from the other */
        char name[DEVICE_NAME_MAX];
        char link_type[32]; /* as pcap_datalink_val_to_name(3PCAP) calls it; "": never opened */
        char last_error[DEVICE_ERROR_MAX];
        uint64_t received, dropped; /* packets, since it was first captured on */
        uint64_t gone_order;        /* the larger, the later it went */
};

/* All of them, whether a capture runs or not. Devices that are gone are remembered up to a bound; the counts
 * of those forgotten add up in an entry called "(gone)", so that totals stay right. */
struct device_list;

int device_list_new(struct device_list **ret_list);
void device_list_free(struct device_list *list);
DEFINE_CLEANUP(struct device_list *, device_list_free)

/* Entries stay where they are until they are forgotten; those with handles are not. */
struct device *device_list_find(const struct device_list *list, uint32_t ifindex);

/* The entry of an interface: its own, or that of one of its name that is gone, or a new one. Returns 0,
 * -ENOSPC when there are as many as are listed, or -ENOMEM. ifindex 0 is the pseudo-device `any`. */
int device_list_get(struct device_list *list, uint32_t ifindex, const char *name,
                    struct device **ret_device);

/* It is no interface's entry any more; why is what it says as its last error. */
void device_list_set_gone(struct device_list *list, struct device *device, const char *why);

/* Forgets those that have been gone the longest, where more are than are remembered. */
void device_list_forget(struct device_list *list);

/* Takes out those that wait; adds one, unless the device of that name is listed as gone. A failure only
 * means that it is not shown. */
void device_list_clear_waiting(struct device_list *list);
void device_list_add_waiting(struct device_list *list, const char *pattern, const char *why);

/* How many matched beyond what can be listed or captured on: shown as one entry; 0: none. */
void device_list_set_excess(struct device_list *list, size_t n, size_t most);

/* For the end of a capture: those that are there are stopped, and none waits. */
void device_list_stop(struct device_list *list);

/* Those that are stopped are gone, as far as we are concerned: not chosen any more. */
void device_list_lose_stopped(struct device_list *list);

/* Walks all, in the order in which they came: start with *cursor = 0, ends with NULL. */
const struct device *device_list_next(const struct device_list *list, size_t *cursor);

/* Set the state, with its error in printf form or NULL to leave the last one. */
void device_set_state(struct device *device, enum device_state state, const char *format, ...)
        _printf_(3, 4);

/* A static string. */
const char *device_state_name(enum device_state state);
