/* SPDX-License-Identifier: MIT */
#pragma once

#include "engine/engine.h"
#include "owner/process_watch.h"

/* Owner lookups per drain. At about 6 µs each this is the most that a flood of new flows can cost: 3 ms of
 * 100. The least are what is still done while the processor is short. */
#define QUESTIONS_MAX 512u
#define QUESTIONS_MIN 8u

/* Sockets confirmed in the drain under way, by cookie: a server with a thousand peers is one socket. */
#define CONFIRMED_SOCKETS 256u

struct engine {
        struct engine_config config;
        char *filter; /* NULL: none */
        struct interfaces *interfaces;
        struct source *source;       /* NULL: not capturing */
        struct owner_lookup *owners; /* NULL: a savefile, which names no owners */
        struct process_watch *watch; /* NULL likewise */
        struct books *books;

        struct source_error last_error; /* "": none since the source was opened */
        struct source_stats earlier;    /* of sources that were closed since */
        uint64_t packet_clock;          /* newest stamp, CLOCK_REALTIME in µs; the clock of a savefile */

        uint32_t questions_max;  /* owner lookups per drain; fewer while short of processor time */
        uint32_t questions_left; /* of this drain */
        uint64_t drains;
        struct {
                uint64_t cookie, drain;
        } confirmed[CONFIRMED_SOCKETS];
        uint32_t check_cursor; /* over processes that have no pidfd */
};

/* settle.c: settles what flows hold, as far as their owners can be told now (now_usec: CLOCK_MONOTONIC).
 * With `finish`, nothing is left waiting. */
void engine_settle(struct engine *engine, uint64_t now_usec, bool finish);

/* processes.c: the row of a process, made and filled where it is not there yet. Returns 0 or a negative
 * errno. */
int engine_process(struct engine *engine, const struct process_id *id, struct process **ret_process);
void engine_mark_exits(struct engine *engine);
void engine_refresh_processes(struct engine *engine);
