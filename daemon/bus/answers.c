/* SPDX-License-Identifier: MIT */
#include "bus/answers.h"

#include <errno.h>

/* Calls that may wait for their turn, of all users and of one. */
#define MAX_WAITING        1024u
#define MAX_WAITING_OF_ONE 256u

struct waiting {
        struct waiting *next;
        sd_bus_message *call;
        struct caller caller;
        caller_handler handler;
        void *userdata;
};

struct answers {
        sd_bus *connection;
        sd_event_source *source; /* enabled while calls wait */
        struct waiting *first, **end;
        uint32_t n_waiting;
};

static bool has_left(const struct answers *answers) {
        uint64_t queued;

        return sd_bus_get_n_queued_write(answers->connection, &queued) < 0 || queued == 0;
}

static void waiting_free(struct waiting *waiting) {
        sd_bus_message_unref(waiting->call);
        free(waiting);
}

static void make_next(struct answers *answers) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        struct waiting *waiting = answers->first;
        int r;

        answers->first = waiting->next;
        if (!answers->first)
                answers->end = &answers->first;
        answers->n_waiting--;

        r = waiting->handler(waiting->call, &waiting->caller, waiting->userdata, &error);
        if (sd_bus_error_is_set(&error))
                (void) sd_bus_reply_method_error(waiting->call, &error);
        else if (r < 0)
                (void) sd_bus_reply_method_errno(waiting->call, r, NULL);
        waiting_free(waiting);
}

/* Runs after whatever else the event loop did: what was queued may have been written then. */
static int on_post(sd_event_source *source, void *userdata) {
        struct answers *answers = userdata;

        while (answers->first && has_left(answers))
                make_next(answers);
        return answers->first ? 0 : sd_event_source_set_enabled(source, SD_EVENT_OFF);
}

int answers_new(sd_bus *connection, sd_event *event, struct answers **ret_answers) {
        _cleanup_(answers_freep) struct answers *answers = calloc(1, sizeof(*answers));
        int r;

        if (!answers)
                return -ENOMEM;
        answers->connection = connection;
        answers->end = &answers->first;
        r = sd_event_add_post(event, &answers->source, on_post, answers);
        if (r < 0)
                return r;
        r = sd_event_source_set_enabled(answers->source, SD_EVENT_OFF);
        if (r < 0)
                return r;

        *ret_answers = TAKE_PTR(answers);
        return 0;
}

void answers_free(struct answers *answers) {
        struct waiting *next;

        if (!answers)
                return;
        for (struct waiting *waiting = answers->first; waiting; waiting = next) {
                next = waiting->next;
                waiting_free(waiting);
        }
        sd_event_source_disable_unref(answers->source);
        free(answers);
}

static bool waits_too_much(const struct answers *answers, uid_t uid) {
        uint32_t n = 0;

        for (const struct waiting *waiting = answers->first; waiting; waiting = waiting->next)
                n += waiting->caller.uid == uid;
        return n >= MAX_WAITING_OF_ONE || answers->n_waiting >= MAX_WAITING;
}

int answers_make(struct answers *answers, sd_bus_message *call, const struct caller *caller,
                 caller_handler handler, void *userdata, sd_bus_error *ret_error) {
        struct waiting *waiting;
        int r;

        if (!answers->first && has_left(answers))
                return handler(call, caller, userdata, ret_error);
        if (waits_too_much(answers, caller->uid))
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "Too many calls are waiting; try again");
        r = sd_event_source_set_enabled(answers->source, SD_EVENT_ON);
        if (r < 0)
                return r;
        waiting = malloc(sizeof(*waiting));
        if (!waiting)
                return -ENOMEM;
        *waiting = (struct waiting){
                .call = sd_bus_message_ref(call),
                .caller = *caller,
                .handler = handler,
                .userdata = userdata,
        };
        *answers->end = waiting;
        answers->end = &waiting->next;
        answers->n_waiting++;
        return 1;
}
