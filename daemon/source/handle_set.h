/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "source/live_handle.h"

/* The handles that are open, read in turn. One that is given up is read on for RETIRE_USEC: the kernel hands
 * over what it has of it in blocks, the last of which is still open. */
#define RETIRE_USEC UINT64_C(100000)

/* All the devices there may be, and `any` while it takes over from them. */
#define HANDLES_MAX (DEVICES_CAPTURED_MAX + 1)

struct handle_set {
        int epoll_fd; /* readable when one of them is; and whatever else is added */
        size_t n, n_retiring;
        size_t turn; /* who is read first */
        struct live_handle *open[HANDLES_MAX];
        struct {
                struct live_handle *capture;
                uint64_t until_usec; /* CLOCK_MONOTONIC */
        } retiring[HANDLES_MAX];
        struct orient_counts closed; /* of those that are no more */
        int failure;                 /* of one that cannot be read any more and was given up; 0: none */
        struct source_error failure_text;
};

int handle_set_init(struct handle_set *ret_set);
void handle_set_done(struct handle_set *set);

/* Waits for that descriptor too; -1: for none. Returns 0 or a negative errno. */
int handle_set_watch(struct handle_set *set, int fd);

/* Takes it over, on success only. Returns 0, -ENOSPC when it is full, or another negative errno. */
int handle_set_add(struct handle_set *set, struct live_handle *capture);

/* The one of a device that is not given up; NULL. */
struct live_handle *handle_set_find(const struct handle_set *set, const struct device *device);
void handle_set_retire(struct handle_set *set, struct live_handle *capture);

/* Reads about max_packets. Returns how many there were. One that fails is given up, see above; its device
 * has the error. */
int handle_set_drain(struct handle_set *set, int max_packets, sample_handler handler, void *userdata);

void handle_set_counts(struct handle_set *set, struct orient_counts *ret_counts);
