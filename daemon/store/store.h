/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "util/macros.h"

/* Packets that are kept: recordings, each with a filter, an owner to look for and an end. Nothing that
 * becomes of one has a part in counting. */
struct store;

/* Recordings at a time: each has 8 MB of kernel ring, which no cgroup is charged for, and up to 2 MB that wait to be
 * decided or written, which ours is. */
#define STORE_MAX 4u

struct store_request {
        int fd;                    /* to write to; the store's, also where it fails; -1: path */
        const char *path;          /* a file of our own; see rotation.h: the next one begins where it is full */
        unsigned files;            /* of these that are kept */
        const char *filter;        /* pcap-filter(7); NULL: none */
        struct process_id process; /* only packets of this one; pid 0: of any */
        const char *unit;          /* only packets of this systemd unit; NULL: of any */
        uint64_t timeout_usec;     /* 0: none */
        uint64_t max_bytes;        /* of a file; 0: no limit */
};

/* Why a recording ended. */
enum store_end {
        STORE_RUNNING,
        STORE_REQUESTED,
        STORE_TIMEOUT,
        STORE_SIZE,        /* max_bytes are written */
        STORE_SLOW_READER, /* it did not take what was there */
        STORE_CLOSED,      /* nobody reads it any more */
        STORE_CALLER_GONE, /* who asked for it has */
        STORE_STOPPING,    /* netflowd is */
        STORE_ERROR,
};

/* How it went. */
struct store_result {
        uint64_t id;
        enum store_end end;
        const char *error;  /* what went wrong, with STORE_ERROR */
        uint64_t packets;   /* written */
        uint64_t bytes;     /* of the file */
        uint64_t dropped;   /* packets that the kernel had no room for, or whose owner was not known in time */
};

typedef void (*store_handler)(const struct store_result *result, void *userdata);

/* handler is called once for each recording, when it ends, from store_drain() or store_stop_all(). The engine
 * outlives the store. Returns 0 or -ENOMEM. */
int store_new(struct engine *engine, store_handler handler, void *userdata, struct store **ret_store);
void store_free(struct store *store); /* ends what still runs, without a word */
DEFINE_CLEANUP(struct store *, store_free)

/* Begins one. Returns 0 with *ret_id, which no other one ever has; -EUSERS: there are STORE_MAX already;
 * -EBADF: nothing can be written to fd; -EINVAL: the filter does not compile; or another negative errno:
 * always with *ret_error saying so. */
int store_start(struct store *store, const struct store_request *request, uint64_t *ret_id,
                struct source_error *ret_error);

/* Ends one, for that reason, when all that was on the wire until now is written: handler is called from
 * a later store_drain(). Returns 0, or -ENOENT where there is none of that id. */
int store_stop(struct store *store, uint64_t id, enum store_end end);

/* Ends all, waiting for that: READ_BEHIND_USEC. */
void store_stop_all(struct store *store, enum store_end end);

/* Writes what has come, after the engine was drained. To be called every 100 ms while store_running(). */
void store_drain(struct store *store);

bool store_running(const struct store *store);
