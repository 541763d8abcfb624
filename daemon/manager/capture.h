/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "bus/bus.h"
#include "engine/engine.h"
#include "store/store.h"
#include "util/macros.h"

/* When packets are read, and when a capture starts and stops. */
struct capture;

struct capture_config {
        sd_event *event;
        struct engine *engine;
        struct store *store;
        uint64_t timeout_usec; /* UINT64_MAX: none; for captures that ask for none of their own */

        /* Called when it has started, or has stopped: reason is NETFLOWD_STOPPED_…, and why is NULL but for
         * an error. And when a source has been read that asks for it itself, once a second: we are awake. */
        void (*started)(void *userdata);
        void (*stopped)(const char *reason, const char *why, void *userdata);
        void (*read)(void *userdata);
        void *userdata;
};

/* For an engine that captures already: reading begins with the event loop. All of config outlives it. Returns 0
 * or a negative errno. */
int capture_new(const struct capture_config *config, struct capture **ret_capture);
void capture_free(struct capture *capture);
DEFINE_CLEANUP(struct capture *, capture_free)

/* Starts it where it has stopped. What the request has holds from now on, also where it ran. Returns 0, or a
 * negative errno with *ret_error, and nothing has changed. */
int capture_start(struct capture *capture, const struct capture_request *request, struct source_error *ret_error);

/* Stops it for good, where it runs: until it is started again. */
void capture_stop(struct capture *capture);

/* Captures that from now on. Returns as capture_start(). */
int capture_choose(struct capture *capture, const struct source_choice *choice, struct source_error *ret_error);

/* For captures that start from now on; the one that runs has the time it has. */
void capture_set_timeout(struct capture *capture, uint64_t timeout_usec);

/* Once a second: tries again after an error, and keeps recordings going where nothing is captured. */
void capture_tick(struct capture *capture);
