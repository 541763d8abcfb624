/* SPDX-License-Identifier: MIT */
#include "bus/caller.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Calls that may wait for the bus to say who made them. */
#define MAX_ASKED 256u

/* Answers remembered. A unique name is never given again while a bus runs (D-Bus specification, "Message Bus
 * Names"), so they stay true. */
#define MAX_KNOWN 64u

struct known {
        char name[64]; /* unique connection name, ":1.42" */
        uid_t uid;
};

struct question {
        struct callers *callers;
        struct question *next;
        sd_bus_slot *slot;
        sd_bus_message *message;
        caller_handler handler;
        void *userdata;
};

struct callers {
        uid_t peer_uid;
        struct known known[MAX_KNOWN];
        uint32_t next_known; /* the oldest answer, which the next one takes the place of */
        struct question *asked;
        uint32_t n_asked;
};

int callers_new(uid_t peer_uid, struct callers **ret_callers) {
        struct callers *callers = calloc(1, sizeof(*callers));

        if (!callers)
                return -ENOMEM;
        callers->peer_uid = peer_uid;
        *ret_callers = callers;
        return 0;
}

static void question_free(struct question *question) {
        struct question **link = &question->callers->asked;

        while (*link != question)
                link = &(*link)->next;
        *link = question->next;
        question->callers->n_asked--;
        sd_bus_slot_unref(question->slot);
        sd_bus_message_unref(question->message);
        free(question);
}

void callers_free(struct callers *callers) {
        if (!callers)
                return;
        while (callers->asked)
                question_free(callers->asked);
        free(callers);
}

static const struct known *find_known(const struct callers *callers, const char *name) {
        for (size_t i = 0; i < MAX_KNOWN; i++)
                if (strcmp(callers->known[i].name, name) == 0)
                        return &callers->known[i];
        return NULL;
}

static void remember(struct callers *callers, const char *name, uid_t uid) {
        struct known *known = &callers->known[callers->next_known];

        if (strlen(name) >= sizeof(known->name) || find_known(callers, name))
                return;
        strcpy(known->name, name);
        known->uid = uid;
        callers->next_known = (callers->next_known + 1) % MAX_KNOWN;
}

static int answer(struct question *question, sd_bus_message *reply, sd_bus_error *error) {
        const sd_bus_error *failed = sd_bus_message_get_error(reply);
        uint32_t uid;
        int r;

        if (failed) /* the caller has left the bus: nobody waits for an answer */
                return 0;
        r = sd_bus_message_read(reply, "u", &uid);
        if (r < 0)
                return r;
        remember(question->callers, sd_bus_message_get_sender(question->message), uid);
        return question->handler(question->message, uid, question->userdata, error);
}

static int on_uid(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        struct question *question = userdata;
        int r;

        (void) ret_error;
        r = answer(question, reply, &error);
        if (sd_bus_error_is_set(&error))
                (void) sd_bus_reply_method_error(question->message, &error);
        else if (r < 0)
                (void) sd_bus_reply_method_errno(question->message, r, NULL);
        question_free(question);
        return 1;
}

static int ask_bus(struct callers *callers, sd_bus_message *message, caller_handler handler,
                   void *userdata) {
        struct question *question = calloc(1, sizeof(*question));
        int r;

        if (!question)
                return -ENOMEM;
        *question = (struct question){
                .callers = callers,
                .next = callers->asked,
                .message = sd_bus_message_ref(message),
                .handler = handler,
                .userdata = userdata,
        };
        callers->asked = question;
        callers->n_asked++;
        r = sd_bus_call_method_async(sd_bus_message_get_bus(message), &question->slot,
                                     "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                     "GetConnectionUnixUser", on_uid, question, "s",
                                     sd_bus_message_get_sender(message));
        if (r < 0) {
                question_free(question);
                return r;
        }
        return 1;
}

int callers_ask(struct callers *callers, sd_bus_message *message, caller_handler handler, void *userdata,
                sd_bus_error *ret_error) {
        const char *sender = sd_bus_message_get_sender(message);
        const struct known *known;

        if (!sender) /* no bus between us */
                return handler(message, callers->peer_uid, userdata, ret_error);
        known = find_known(callers, sender);
        if (known)
                return handler(message, known->uid, userdata, ret_error);
        if (callers->n_asked >= MAX_ASKED)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "Too many calls are waiting; try again");
        return ask_bus(callers, message, handler, userdata);
}
