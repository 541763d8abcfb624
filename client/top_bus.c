/* SPDX-License-Identifier: MIT */
#include "top_bus.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "dbus/org.netflowd1.h"
#include "json_message.h"
#include "util.h"

/* Signals come once a second, unless SignalInterval= says otherwise. */
#define ROUND_MIN_USEC 500000u

/* Of what a round takes, so long is waited after it: netflowd has a fifth of a processor. */
#define PAUSE_FACTOR 4u

#define ANSWER_TIMEOUT_USEC 10000000u
#define REOPEN_USEC         1000000u

/* A second closes so long after its end, see org.netflowd1(5). */
#define CLOSE_DELAY_USEC 250000u

#define ASKS_MAX 7

struct top_bus {
        struct connection *connection;
        sd_event *event;
        struct top_state *state;
        void (*changed)(void *userdata);
        void *userdata;

        sd_event_source *timer; /* the next round, or the next attempt to reach the bus */
        sd_bus_slot *asks[ASKS_MAX];
        size_t n_asks, unanswered;
        uint64_t begun_usec, next_usec; /* of rounds, CLOCK_MONOTONIC */
        int64_t asked_second;           /* the last one that had closed when the round began */
        enum top_group asked_group;
        enum top_sort asked_sort;
        bool asked_without_loopback;
        uint32_t asked_limit; /* rows; 0: all */
        uint32_t asked_pid;   /* 0: no details */
        bool again, now;      /* another round is wanted; at once */
};

int64_t top_bus_last_second(void) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t) now.tv_sec - (now.tv_nsec / 1000 < CLOSE_DELAY_USEC ? 2 : 1);
}

/* --- answers --------------------------------------------------------------------------------------------
 */

static void begin_round(struct top_bus *bus);
static void schedule(struct top_bus *bus, bool now);

static void forget_asks(struct top_bus *bus) {
        for (size_t i = 0; i < bus->n_asks; i++)
                bus->asks[i] = sd_bus_slot_unref(bus->asks[i]);
        bus->n_asks = bus->unanswered = 0;
}

static void lose(struct top_bus *bus, enum top_link link) {
        forget_asks(bus);
        bus->again = bus->now = false;
        bus->state->link = link;
        bus->state->trouble[0] = '\0';
        bus->changed(bus->userdata);
}

static void end_ask(struct top_bus *bus) {
        uint64_t now = now_usec();

        if (bus->unanswered == 0 || --bus->unanswered > 0)
                return;
        bus->next_usec = now + (now - bus->begun_usec) * PAUSE_FACTOR;
        if (bus->next_usec < bus->begun_usec + ROUND_MIN_USEC)
                bus->next_usec = bus->begun_usec + ROUND_MIN_USEC;
        bus->changed(bus->userdata);
        if (bus->again)
                schedule(bus, bus->now);
}

/* What was answered, for the caller to put; NULL with what is amiss in trouble. */
static struct json_object *read_answer(sd_bus_message *reply, enum json_type type, char *trouble,
                                       size_t size) {
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        struct json_object *json = NULL;

        if (error && sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
                (void) snprintf(trouble, size, "netflowd does not answer");
        else if (error)
                (void) snprintf(trouble, size, "%s", error->message ? error->message : error->name);
        else if (json_from_message(reply, &json) < 0 || !json_object_is_type(json, type)) {
                (void) snprintf(trouble, size, "netflowd answered something else than was asked for");
                json_object_put(json);
                json = NULL;
        }
        return json;
}

static struct json_object *read_rank(struct top_bus *bus, sd_bus_message *reply) {
        return read_answer(reply, json_type_array, bus->state->trouble, sizeof(bus->state->trouble));
}

static bool is_gone(sd_bus_message *reply) {
        return sd_bus_message_is_method_error(reply, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
               sd_bus_message_is_method_error(reply, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
}

/* What is to be shown may have become something else since it was asked for. */
static bool is_still_wanted(const struct top_bus *bus) {
        const struct top_model *model = &bus->state->model;

        return bus->asked_group == model->group && bus->asked_without_loopback == model->without_loopback;
}

static int on_rank(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;
        struct top_state *state = bus->state;
        struct json_object *rank;

        (void) ret_error;
        if (is_gone(reply)) {
                lose(bus, TOP_NO_DAEMON);
                return 0;
        }
        rank = read_rank(bus, reply);
        if (rank && is_still_wanted(bus)) {
                state->trouble[0] = '\0';
                if (top_model_read_rank(&state->model, rank, bus->asked_second, bus->asked_limit,
                                        bus->asked_sort) < 0)
                        (void) snprintf(state->trouble, sizeof(state->trouble), "out of memory");
        }
        json_object_put(rank);
        end_ask(bus);
        return 0;
}

static int on_minute(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;
        struct top_state *state = bus->state;
        struct json_object *rank = read_rank(bus, reply);

        (void) ret_error;
        if (rank && is_still_wanted(bus) && top_model_read_minute(&state->model, rank) < 0)
                (void) snprintf(state->trouble, sizeof(state->trouble), "out of memory");
        json_object_put(rank);
        end_ask(bus);
        return 0;
}

static int on_users(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;
        struct json_object *rank = read_rank(bus, reply);

        (void) ret_error;
        if (rank && bus->asked_without_loopback == bus->state->model.without_loopback)
                top_model_read_users(&bus->state->model, rank);
        json_object_put(rank);
        end_ask(bus);
        return 0;
}

static int on_interfaces(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;
        struct json_object *rank = read_rank(bus, reply);

        (void) ret_error;
        if (rank)
                top_model_read_interfaces(&bus->state->model, rank);
        json_object_put(rank);
        end_ask(bus);
        return 0;
}

static int on_properties(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;
        struct top_state *state = bus->state;
        struct json_object *properties =
                read_answer(reply, json_type_object, state->trouble, sizeof(state->trouble));

        (void) ret_error;
        if (properties)
                top_model_read_properties(&state->model, properties);
        json_object_put(properties);
        end_ask(bus);
        return 0;
}

static int on_process(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;
        struct top_details *details = &bus->state->details;

        (void) ret_error;
        if (details->pid != 0 && details->pid == bus->asked_pid) {
                json_object_put(details->process);
                details->process = read_answer(reply, json_type_object, details->process_error,
                                               sizeof(details->process_error));
        }
        end_ask(bus);
        return 0;
}

static int on_flows(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;
        struct top_details *details = &bus->state->details;

        (void) ret_error;
        if (details->pid != 0 && details->pid == bus->asked_pid) {
                json_object_put(details->flows);
                details->flows = read_answer(reply, json_type_array, details->flows_error,
                                             sizeof(details->flows_error));
        }
        end_ask(bus);
        return 0;
}

/* --- questions ------------------------------------------------------------------------------------------
 */

static void ask(struct top_bus *bus, sd_bus_message_handler_t handler, const char *interface,
                const char *method, const char *types, ...) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *call = NULL;
        struct connection *connection = bus->connection;
        va_list arguments;
        int r;

        r = sd_bus_message_new_method_call(connection->bus, &call, connection->destination,
                                           NETFLOWD_OBJECT_PATH, interface, method);
        if (r >= 0) {
                va_start(arguments, types);
                r = sd_bus_message_appendv(call, types, arguments);
                va_end(arguments);
        }
        if (r >= 0)
                r = sd_bus_message_set_auto_start(call,
                                                  false); /* who stopped it did not mean us to start it */
        if (r >= 0)
                r = sd_bus_call_async(connection->bus, &bus->asks[bus->n_asks], call, handler, bus,
                                      ANSWER_TIMEOUT_USEC);
        if (r < 0) {
                (void) snprintf(bus->state->trouble, sizeof(bus->state->trouble), "cannot ask netflowd: %s",
                                strerror(-r));
                return;
        }
        bus->n_asks++;
        bus->unanswered++;
}

static void ask_rank(struct top_bus *bus, sd_bus_message_handler_t handler, const char *by, uint32_t limit,
                     uint32_t recent, bool without_loopback) {
        ask(bus, handler, NETFLOWD_INTERFACE, NETFLOWD_METHOD_GET_RANK, "suua{sv}", by, limit, recent,
            without_loopback ? 2 : 1, NETFLOWD_OPTION_SORT, "s", top_sort_name(bus->asked_sort),
            NETFLOWD_OPTION_LOOPBACK, "b", false);
}

/* Rows bring the seconds of their window. Where more than those have passed, or other rows may be among the
 * first ones now, the last minute is asked for as well. */
static bool lacks_minute(const struct top_bus *bus) {
        const struct top_model *model = &bus->state->model;

        return model->n == 0 || model->cut ||
               bus->asked_second - model->last_second > (int64_t) model->recent;
}

/* All at once, so that the answers tell of the same moment. */
static void begin_round(struct top_bus *bus) {
        struct top_state *state = bus->state;
        const struct top_model *model = &state->model;
        const char *by = top_group_name(model->group);
        const bool without = model->without_loopback;

        forget_asks(bus);
        bus->again = bus->now = false;
        bus->begun_usec = now_usec();
        bus->asked_second = top_bus_last_second();
        bus->asked_group = model->group;
        bus->asked_sort = model->sort == TOP_SORT_NAME ? TOP_SORT_TOTAL : model->sort;
        bus->asked_limit = top_model_wants_all(model) ? 0 : TOP_ROWS_ASKED;
        bus->asked_without_loopback = without;
        bus->asked_pid = state->details.pid;
        ask_rank(bus, on_rank, by, bus->asked_limit, model->recent, without);
        if (lacks_minute(bus))
                ask_rank(bus, on_minute, by, TOP_ROWS_ASKED, TOP_SECONDS, without);
        ask_rank(bus, on_users, NETFLOWD_BY_USER, 0, model->recent, without);
        ask_rank(bus, on_interfaces, NETFLOWD_BY_INTERFACE, 0, model->recent, false);
        ask(bus, on_properties, "org.freedesktop.DBus.Properties", "GetAll", "s", NETFLOWD_INTERFACE);
        if (state->details.pid == 0)
                return;
        ask(bus, on_process, NETFLOWD_INTERFACE, NETFLOWD_METHOD_GET_PROCESS, "u", state->details.pid);
        ask(bus, on_flows, NETFLOWD_INTERFACE, NETFLOWD_METHOD_LIST_FLOWS, "ua{sv}", state->details.pid, 0);
}

static void arm(struct top_bus *bus, uint64_t usec) {
        (void) sd_event_source_set_time(bus->timer, usec);
        (void) sd_event_source_set_enabled(bus->timer, SD_EVENT_ONESHOT);
}

static void schedule(struct top_bus *bus, bool now) {
        if (bus->state->link != TOP_FOLLOWING)
                return;
        bus->again = true;
        bus->now |= now;
        if (bus->unanswered > 0)
                return;
        if (bus->now || now_usec() >= bus->next_usec)
                begin_round(bus);
        else
                arm(bus, bus->next_usec);
}

void top_bus_ask(struct top_bus *bus) {
        schedule(bus, true);
}

/* --- who comes and goes ---------------------------------------------------------------------------------
 */

static int on_signal(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;
        uint32_t recent;

        (void) ret_error;
        if (sd_bus_message_is_signal(signal, NETFLOWD_INTERFACE, NETFLOWD_SIGNAL_RANK_CHANGED) > 0 &&
            sd_bus_message_read(signal, "u", &recent) > 0 && recent > 0)
                bus->state->model.recent = recent;
        if (!bus->state->paused)
                schedule(bus, false);
        return 0;
}

static void on_owner(bool is_there, void *userdata) {
        struct top_bus *bus = userdata;

        if (!is_there) {
                lose(bus, TOP_NO_DAEMON);
                return;
        }
        bus->state->link = TOP_FOLLOWING;
        bus->changed(bus->userdata);
        if (!bus->state->paused)
                schedule(bus, true);
}

/* A netflowd of our own does not come back. */
static int on_disconnected(sd_bus_message *signal, void *userdata, sd_bus_error *ret_error) {
        struct top_bus *bus = userdata;

        (void) signal;
        (void) ret_error;
        if (!bus->connection->destination)
                return sd_event_exit(bus->event, EXIT_FAILURE);
        lose(bus, TOP_NO_BUS);
        arm(bus, now_usec() + REOPEN_USEC);
        return 0;
}

static int follow(struct top_bus *bus) {
        struct connection *connection = bus->connection;
        int r = connection_match(connection, on_signal, on_owner, bus);

        if (r >= 0)
                r = sd_bus_match_signal(connection->bus, NULL, "org.freedesktop.DBus.Local", NULL,
                                        "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, bus);
        return r < 0 ? r : sd_bus_attach_event(connection->bus, bus->event, SD_EVENT_PRIORITY_NORMAL);
}

/* Whether netflowd is there as well, the first answer tells. */
static void reopen(struct top_bus *bus) {
        sd_bus *opened = NULL;

        if (sd_bus_open_system(&opened) < 0) {
                arm(bus, now_usec() + REOPEN_USEC);
                return;
        }
        sd_bus_detach_event(bus->connection->bus);
        sd_bus_close_unref(bus->connection->bus);
        bus->connection->bus = opened;
        if (follow(bus) < 0) {
                arm(bus, now_usec() + REOPEN_USEC);
                return;
        }
        bus->state->link = TOP_FOLLOWING;
        schedule(bus, true);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct top_bus *bus = userdata;

        (void) source;
        (void) usec;
        if (bus->state->link == TOP_NO_BUS)
                reopen(bus);
        else if (bus->again && bus->unanswered == 0)
                begin_round(bus);
        return 0;
}

/* --- lifetime -------------------------------------------------------------------------------------------
 */

int top_bus_new(struct connection *connection, sd_event *event, struct top_state *state,
                void (*changed)(void *userdata), void *userdata, struct top_bus **ret_bus) {
        struct top_bus *bus = calloc(1, sizeof(*bus));
        int r = -ENOMEM;

        if (bus) {
                *bus = (struct top_bus){.connection = connection,
                                        .event = sd_event_ref(event),
                                        .state = state,
                                        .changed = changed,
                                        .userdata = userdata};
                r = sd_event_add_time(event, &bus->timer, CLOCK_MONOTONIC, 0, 10000, on_timer, bus);
        }
        if (r >= 0)
                r = sd_event_source_set_enabled(bus->timer, SD_EVENT_OFF);
        if (r >= 0)
                r = follow(bus);
        if (r < 0) {
                top_bus_free(bus);
                return fail("cannot follow netflowd: %s", strerror(-r));
        }
        begin_round(bus);
        *ret_bus = bus;
        return 0;
}

void top_bus_free(struct top_bus *bus) {
        if (!bus)
                return;
        forget_asks(bus);
        (void) sd_bus_detach_event(bus->connection->bus);
        sd_event_source_unref(bus->timer);
        sd_event_unref(bus->event);
        free(bus);
}
