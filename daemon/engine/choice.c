/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "engine/engine_internal.h"
#include "util/clock.h"
#include "util/strv.h"

/* Packets read at a time while something else is waited for. */
#define WAITING_PACKETS 32768

void owned_choice_done(struct owned_choice *choice) {
        strv_free(choice->devices);
        strv_free(choice->addresses);
        free(choice->filter);
        *choice = (struct owned_choice){};
}

static int copy_choice(const struct source_choice *choice, struct owned_choice *ret_choice) {
        _cleanup_(owned_choice_done) struct owned_choice copy = {};

        if (strv_copy(choice->devices, &copy.devices) < 0 ||
            strv_copy(choice->addresses, &copy.addresses) < 0)
                return -ENOMEM;
        if (choice->filter) {
                copy.filter = strdup(choice->filter);
                if (!copy.filter)
                        return -ENOMEM;
        }
        *ret_choice = copy;
        copy = (struct owned_choice){};
        return 0;
}

static void use_choice(struct engine *engine, struct owned_choice *choice) {
        owned_choice_done(&engine->choice);
        engine->choice = *choice;
        *choice = (struct owned_choice){};
        engine->config.choice = (struct source_choice){
                .devices = (const char *const *) engine->choice.devices,
                .addresses = (const char *const *) engine->choice.addresses,
                .filter = engine->choice.filter,
        };
}

int engine_own_choice(struct engine *engine, const struct source_choice *choice) {
        struct owned_choice copy;
        int r;

        r = copy_choice(choice, &copy);
        if (r < 0)
                return r;
        use_choice(engine, &copy);
        return 0;
}

struct reading {
        struct engine *engine;
        int failure;
        struct source_error error;
};

static void read_on(void *userdata) {
        struct reading *reading = userdata;
        int r;

        if (reading->failure < 0)
                return;
        r = source_drain(reading->engine->source, WAITING_PACKETS, engine_take_sample, reading->engine,
                         &reading->error);
        engine_settle(reading->engine, clock_usec(CLOCK_MONOTONIC), false);
        reading->failure = MIN(r, 0);
}

/* The source that runs can take it. */
static int choose_here(struct engine *engine, const struct source_choice *choice,
                       struct source_error *ret_error) {
        struct reading reading = {.engine = engine};
        const struct source_waiting waiting = {.call = read_on, .userdata = &reading};
        int r;

        r = source_choose(engine->source, choice, &waiting, ret_error);
        if (reading.failure == 0)
                return r;
        /* what there was to capture on has failed meanwhile */
        engine->last_error = *ret_error = reading.error;
        engine_close_source(engine);
        return reading.failure;
}

/* Captures it with the source that there is, or says that it takes another, which has been tried: two cannot
 * stay beside each other, as what both see would count twice. */
static int choose(struct engine *engine, const struct source_choice *choice, bool *ret_elsewhere,
                  struct source_error *ret_error) {
        _cleanup_(source_freep) struct source *trial = NULL;
        bool lists = engine->source && source_lists_devices(engine->source), same;
        struct source_error reason;
        int r;

        *ret_elsewhere = false;
        if (!engine->source)
                return source_check(choice, NULL, ret_error);
        if (lists && !source_choice_is_empty(choice))
                return choose_here(engine, choice, ret_error);
        r = engine_open_source(engine, choice, &trial, &reason, ret_error);
        if (r < 0)
                return r;
        same = strcmp(source_name(trial), engine->backend) == 0;
        source_free(TAKE_PTR(trial));
        if (same)
                return lists ? choose_here(engine, choice, ret_error) : 0;
        *ret_elsewhere = true;
        return 0;
}

static void leave_source(struct engine *engine) {
        engine_drain_to_the_end(engine);
        if (engine->source)
                engine_close_source(engine);
        device_list_stop(engine->devices);
}

int engine_choose(struct engine *engine, const struct source_choice *choice,
                  struct source_error *ret_error) {
        _cleanup_(owned_choice_done) struct owned_choice copy = {};
        bool elsewhere;
        int r;

        r = copy_choice(choice, &copy);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "out of memory");
                return r;
        }
        r = choose(engine, choice, &elsewhere, ret_error);
        if (r < 0)
                return r;
        if (elsewhere)
                leave_source(engine);
        use_choice(engine, &copy);
        if (elsewhere && engine_reopen(engine, ret_error) >= 0 && !source_lists_devices(engine->source))
                device_list_lose_stopped(engine->devices);
        return 0;
}

const struct source_choice *engine_choice(const struct engine *engine) {
        return &engine->config.choice;
}

const char *engine_filter(const struct engine *engine) {
        return engine->config.choice.filter ?: "";
}
