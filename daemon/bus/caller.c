/* SPDX-License-Identifier: MIT */
#include "bus/caller.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "bus/call_copy.h"
#include "dbus/org.netflowd1.h"
#include "util/clock.h"

/* Calls that may wait for an answer about who made them, of all and of one: who is known by name only is one
 * connection, else one user. A bus has a limit to the connections of a user, too. */
#define MAX_ASKED        1024u
#define MAX_ASKED_OF_ONE 256u

/* Who has no call waiting yet may have one more than that: a user with as many connections as a bus gives,
 * whose they are being unknown yet, does not keep others from being known. */
#define MAX_FIRST 1024u

/* And how many bytes of arguments they may have together; of small ones, their number is enough of a bound.
 */
#define MAX_ASKED_BYTES        (4u << 20)
#define MAX_ASKED_BYTES_OF_ONE (512u << 10)

/* Answers remembered. A unique name is never given again while a bus runs (D-Bus specification, "Message Bus
 * Names"), so they stay true. */
#define MAX_KNOWN 64u

/* What polkit said without asking anybody is believed this long: an applet asks for the rank every second.
 */
#define BELIEVE_USEC (5 * USEC_PER_SEC)

/* polkit answers in milliseconds, unless somebody has to find their password. */
#define DECIDE_USEC      (5 * USEC_PER_SEC)
#define INTERACTIVE_USEC (300 * USEC_PER_SEC)

/* Of those that wait, so many are asked about at a time, of all and of one user; the others then, in their
 * order. A bus lets nobody have more than 128 calls unanswered (max_replies_per_connection, dbus-daemon(1)),
 * and refuses further ones, which would look like a refusal of polkit's. */
#define MAX_AT_POLKIT        96u
#define MAX_AT_POLKIT_OF_ONE 32u

#define UNKNOWN_UID ((uid_t) -1)

/* polkit's AllowUserInteraction */
#define POLKIT_INTERACTIVE 1u

struct known {
        char name[64]; /* unique connection name, ":1.42" */
        uid_t uid;
        bool may_inspect;          /* what polkit said about NETFLOWD_ACTION_INSPECT, */
        uint64_t inspect_end_usec; /* good until then, CLOCK_MONOTONIC */
};

struct question {
        struct callers *callers;
        struct question *next;
        sd_bus_slot *slot;
        sd_bus_message *message;
        struct caller caller;
        const char *action; /* polkit is to be asked about, or is; a static string. NULL: the bus is, who it
                               is */
        bool interactive;
        bool cached; /* the answer may be remembered */
        caller_handler handler;
        void *userdata;
};

struct callers {
        uid_t peer_uid;
        struct known known[MAX_KNOWN];
        uint32_t next_known; /* the oldest answer, which the next one takes the place of */
        struct question *asked;
        uint32_t n_asked;
        size_t asked_bytes;
};

int callers_new(uid_t peer_uid, struct callers **ret_callers) {
        struct callers *callers = calloc(1, sizeof(*callers));

        if (!callers)
                return -ENOMEM;
        callers->peer_uid = peer_uid;
        *ret_callers = callers;
        return 0;
}

/* It waits no longer, and does not count as one that does. */
static void question_unlink(struct question *question) {
        struct question **link = &question->callers->asked;

        while (*link && *link != question)
                link = &(*link)->next;
        if (!*link)
                return;
        *link = question->next;
        question->callers->n_asked--;
        question->callers->asked_bytes -= question->caller.call_bytes;
}

static void question_free(struct question *question) {
        question_unlink(question);
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

static bool is_same(const struct question *question, const char *sender, const struct caller *caller) {
        return question->caller.uid == caller->uid &&
               (caller->uid != UNKNOWN_UID ||
                strcmp(sd_bus_message_get_sender(question->message), sender) == 0);
}

static bool asks_too_much(const struct callers *callers, const char *sender, const struct caller *caller) {
        size_t bytes = caller->call_bytes;
        uint32_t n = 0;

        for (const struct question *question = callers->asked; question; question = question->next)
                if (is_same(question, sender, caller)) {
                        n++;
                        bytes += question->caller.call_bytes;
                }
        return n >= MAX_ASKED_OF_ONE || bytes > MAX_ASKED_BYTES_OF_ONE ||
               callers->n_asked >= MAX_ASKED + (n == 0 ? MAX_FIRST : 0) ||
               (caller->call_bytes > CALL_BYTES &&
                callers->asked_bytes + caller->call_bytes > MAX_ASKED_BYTES);
}

static int question_new(struct callers *callers, sd_bus_message *message, const struct caller *caller,
                        caller_handler handler, void *userdata, sd_bus_error *ret_error,
                        struct question **ret_question) {
        struct question *question;

        if (asks_too_much(callers, sd_bus_message_get_sender(message), caller)) {
                (void) sd_bus_error_set(ret_error, SD_BUS_ERROR_LIMITS_EXCEEDED,
                                        "Too many calls are waiting; try again");
                return -ENOBUFS;
        }
        question = calloc(1, sizeof(*question));
        if (!question)
                return -ENOMEM;
        *question = (struct question){
                .callers = callers,
                .next = callers->asked,
                .message = sd_bus_message_ref(message),
                .caller = *caller,
                .handler = handler,
                .userdata = userdata,
        };
        callers->asked = question;
        callers->n_asked++;
        callers->asked_bytes += caller->call_bytes;

        *ret_question = question;
        return 0;
}

/* Calls the handler, replies what it failed with, and forgets the question. */
static int conclude(struct question *question) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        question_unlink(question); /* the handler may ask the next one */
        r = question->handler(question->message, &question->caller, question->userdata, &error);
        if (sd_bus_error_is_set(&error))
                (void) sd_bus_reply_method_error(question->message, &error);
        else if (r < 0)
                (void) sd_bus_reply_method_errno(question->message, r, NULL);
        question_free(question);
        return 1;
}

/* --- who it is ------------------------------------------------------------------------------------------ */

static struct known *find_known(struct callers *callers, const char *name) {
        for (size_t i = 0; i < MAX_KNOWN; i++)
                if (strcmp(callers->known[i].name, name) == 0)
                        return &callers->known[i];
        return NULL;
}

static void remember(struct callers *callers, const char *name, uid_t uid) {
        struct known *known = &callers->known[callers->next_known];

        if (strlen(name) >= sizeof(known->name) || find_known(callers, name))
                return;
        *known = (struct known){.uid = uid};
        strcpy(known->name, name);
        callers->next_known = (callers->next_known + 1) % MAX_KNOWN;
}

static struct caller caller_of(uid_t uid, size_t call_bytes) {
        return (struct caller){.uid = uid, .granted = uid == 0, .call_bytes = call_bytes};
}

static int on_uid(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct question *question = userdata;
        uint32_t uid;

        (void) ret_error;
        if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "u", &uid) < 0) {
                question_free(question); /* the caller has left the bus: nobody waits for an answer */
                return 1;
        }
        remember(question->callers, sd_bus_message_get_sender(question->message), uid);
        question->caller = caller_of(uid, question->caller.call_bytes);
        return conclude(question);
}

static int ask_bus(struct callers *callers, sd_bus_message *message, size_t call_bytes,
                   caller_handler handler, void *userdata, sd_bus_error *ret_error) {
        const struct caller nobody = {.uid = UNKNOWN_UID, .call_bytes = call_bytes};
        struct question *question;
        int r;

        r = question_new(callers, message, &nobody, handler, userdata, ret_error, &question);
        if (r < 0)
                return r;
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

int callers_ask(struct callers *callers, sd_bus_message *call, size_t max_bytes, caller_handler handler,
                void *userdata, sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
        const char *sender = sd_bus_message_get_sender(call);
        const struct known *known;
        struct caller caller;
        size_t bytes;
        int r;

        r = call_copy(call, max_bytes, ret_error, &message, &bytes);
        if (r < 0)
                return r;
        if (!sender) { /* no bus between us: whoever holds the other end was given it */
                caller = caller_of(callers->peer_uid, bytes);
                caller.granted |= callers->peer_uid == geteuid();
                return handler(message, &caller, userdata, ret_error);
        }
        known = find_known(callers, sender);
        if (!known)
                return ask_bus(callers, message, bytes, handler, userdata, ret_error);
        caller = caller_of(known->uid, bytes);
        return handler(message, &caller, userdata, ret_error);
}

/* --- what they may do ----------------------------------------------------------------------------------- */

static void remember_decision(struct question *question) {
        struct known *known = find_known(question->callers, sd_bus_message_get_sender(question->message));

        if (!known || !question->cached)
                return;
        known->may_inspect = question->caller.granted;
        known->inspect_end_usec = clock_usec(CLOCK_MONOTONIC) + BELIEVE_USEC;
}

static int on_decision(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error);

static int ask_polkit(struct question *question) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        sd_bus *bus = sd_bus_message_get_bus(question->message);
        int r;

        r = sd_bus_message_new_method_call(bus, &call, "org.freedesktop.PolicyKit1",
                                           "/org/freedesktop/PolicyKit1/Authority",
                                           "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(call, "(sa{sv})sa{ss}us", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(question->message), question->action, 0,
                                  question->interactive ? POLKIT_INTERACTIVE : 0, "");
        if (r < 0)
                return r;
        return sd_bus_call_async(bus, &question->slot, call, on_decision, question,
                                 question->interactive ? INTERACTIVE_USEC : DECIDE_USEC);
}

static bool is_at_polkit(const struct question *question) {
        return question->action && question->slot;
}

static bool may_go_to_polkit(const struct callers *callers, uid_t uid) {
        uint32_t n = 0, n_of_one = 0;

        for (const struct question *question = callers->asked; question; question = question->next)
                if (is_at_polkit(question)) {
                        n++;
                        n_of_one += question->caller.uid == uid;
                }
        return n < MAX_AT_POLKIT && n_of_one < MAX_AT_POLKIT_OF_ONE;
}

/* One has come back: the one that has waited for longest, of those whose user may have another one there. */
static void ask_next(struct callers *callers) {
        struct question *next = NULL;
        int r;

        for (struct question *question = callers->asked; question; question = question->next)
                if (question->action && !question->slot && may_go_to_polkit(callers, question->caller.uid))
                        next = question; /* the newest is first */
        if (!next)
                return;
        r = ask_polkit(next);
        if (r >= 0)
                return;
        (void) sd_bus_reply_method_errno(next->message, r, NULL);
        question_free(next);
}

static int on_decision(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct question *question = userdata;
        struct callers *callers = question->callers;
        int authorized = 0, r;

        (void) ret_error;
        if (!sd_bus_message_is_method_error(reply,
                                            NULL) && /* no polkit, or none that answers: not granted */
            sd_bus_message_enter_container(reply, 'r', "bba{ss}") > 0)
                (void) sd_bus_message_read(reply, "b", &authorized);
        question->caller.granted = authorized;
        remember_decision(question);
        r = conclude(question);
        ask_next(callers);
        return r;
}

int callers_authorize(struct callers *callers, sd_bus_message *message, const struct caller *caller,
                      const char *action, bool interactive, caller_handler handler, void *userdata,
                      sd_bus_error *ret_error) {
        const char *sender = sd_bus_message_get_sender(message);
        bool inspect = strcmp(action, NETFLOWD_ACTION_INSPECT) == 0;
        struct caller decided = *caller;
        const struct known *known;
        struct question *question;
        int r;

        if (caller->granted || !sender)
                return handler(message, caller, userdata, ret_error);
        known = find_known(callers, sender);
        if (inspect && known && clock_usec(CLOCK_MONOTONIC) < known->inspect_end_usec &&
            (known->may_inspect || !interactive)) {
                decided.granted = known->may_inspect;
                return handler(message, &decided, userdata, ret_error);
        }
        r = question_new(callers, message, caller, handler, userdata, ret_error, &question);
        if (r < 0)
                return r;
        question->interactive =
                interactive && sd_bus_message_get_allow_interactive_authorization(message) > 0;
        question->cached = inspect && !question->interactive;
        question->action = action;
        r = may_go_to_polkit(callers, caller->uid) ? ask_polkit(question) : 0;
        if (r < 0) {
                question_free(question);
                return r;
        }
        return 1;
}
