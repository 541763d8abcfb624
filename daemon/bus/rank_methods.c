/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "account/group.h"
#include "account/rank.h"
#include "bus/bus_internal.h"
#include "bus/options.h"
#include "bus/process_message.h"
#include "bus/rank_request.h"
#include "dbus/org.netflowd1.h"
#include "util/clock.h"

/* The part of a ring that a window of so many seconds has, which never changes later. */
static struct ring_span span_of(uint64_t now_usec, uint64_t seconds) {
        const uint64_t end = now_usec / USEC_PER_SEC;

        return (struct ring_span){.first_second = end - seconds, .end_second = end};
}

static int append_process(const struct rank_request *request, sd_bus_message *reply, const struct rank_row *row) {
        const struct ring_span span = span_of(request->query.now_usec, request->query.recent);
        enum detail detail =
                process_is_visible_to(row->process, request->caller) ? DETAIL_PRIVATE : DETAIL_PUBLIC;
        struct process_fields fields;

        process_fields_set(&fields, row, request->query.now_usec, detail, request->bus->users);
        return process_message_append_full(reply, &fields, row, &span, detail);
}

static int append_processes(const struct rank_request *request, sd_bus_message *reply) {
        _cleanup_free_ struct rank_row *rows = NULL;
        size_t n;
        int r;

        r = rank_processes(engine_books(request->bus->config.engine)->processes, &request->query, &rows, &n);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append_process(request, reply, &rows[i]);
        return r;
}

/* --- groups of processes -------------------------------------------------------------------------------- */

static int append_group(const struct rank_request *request, sd_bus_message *reply, enum group_by by,
                        const struct group *group) {
        const struct ring_span span = span_of(request->query.now_usec, request->query.recent);
        bool is_private = request->caller->granted ||
                          (group->one_user && process_is_visible_to(group->first, request->caller));
        _cleanup_(traffic_done) struct traffic traffic = {};
        struct process_fields fields;
        int r;

        r = group_traffic(group, &traffic);
        if (r < 0)
                return r;
        group_fields_set(&fields, group, by, &traffic, is_private, request->query.now_usec,
                         request->bus->users);
        return process_message_append_traffic(reply, &fields, &traffic.ring, &span);
}

static int append_groups(const struct rank_request *request, sd_bus_message *reply, enum group_by by) {
        _cleanup_(groups_done) struct groups groups = {};
        int r;

        r = group_processes(engine_books(request->bus->config.engine)->processes, by, &request->query,
                            &groups);
        for (size_t i = 0; i < groups.n && r >= 0; i++)
                r = append_group(request, reply, by, &groups.groups[i]);
        return r;
}

/* --- all traffic ---------------------------------------------------------------------------------------- */

static const char *name_remote(const struct dimension_row *row, char text[static INET6_ADDRSTRLEN]) {
        const struct in6_addr *address = &row->key.remote;

        if (IN6_IS_ADDR_UNSPECIFIED(address))
                return NULL;
        return IN6_IS_ADDR_V4MAPPED(address)
                       ? inet_ntop(AF_INET, address->s6_addr + 12, text, INET6_ADDRSTRLEN)
                       : inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
}

/* What it is called; NULL where that is not known. */
static const char *name_value(const struct rank_request *request, enum dimension dimension,
                              const struct dimension_row *row, char text[static INET6_ADDRSTRLEN]) {
        const struct interface *interface;

        if (row->others)
                return "(others)";
        switch (dimension) {
        case DIMENSION_INTERFACE:
                if (row->key.number == 0)
                        return NULL;
                interface = interfaces_get(engine_interfaces(request->bus->config.engine), row->key.number);
                if (interface)
                        return interface->name;
                (void) snprintf(text, INET6_ADDRSTRLEN, "if%u", row->key.number); /* gone: as ip(8) has it */
                return text;
        case DIMENSION_REMOTE:
                return name_remote(row, text);
        case DIMENSION_PROTOCOL:
                return row->key.number == 0 ? NULL : protocol_name((uint8_t) row->key.number, text);
        case DIMENSION_MAX:
                break;
        }
        return NULL;
}

static int append_dimension(const struct rank_request *request, sd_bus_message *reply,
                            enum dimension dimension, const char *key) {
        const struct ring_span span = span_of(request->query.now_usec, request->query.recent);
        _cleanup_free_ struct dimension_row *rows = NULL;
        size_t n;
        int r;

        r = dimensions_rank(engine_books(request->bus->config.engine)->dimensions, dimension,
                            &request->query, &rows, &n);
        for (size_t i = 0; i < n && r >= 0; i++) {
                char text[INET6_ADDRSTRLEN];
                struct process_fields fields;

                value_fields_set(&fields, key, name_value(request, dimension, &rows[i], text),
                                 rows[i].traffic, &rows[i].window, request->query.now_usec);
                r = process_message_append_traffic(reply, &fields, &rows[i].traffic->ring, &span);
        }
        return r;
}

/* --- methods -------------------------------------------------------------------------------------------- */

static int append_rows(const struct rank_request *request, sd_bus_message *reply) {
        switch (request->by) {
        case RANK_REQUEST_PROCESS:
                return append_processes(request, reply);
        case RANK_REQUEST_APP:
                return append_groups(request, reply, GROUP_BY_APP);
        case RANK_REQUEST_UNIT:
                return append_groups(request, reply, GROUP_BY_UNIT);
        case RANK_REQUEST_USER:
                return append_groups(request, reply, GROUP_BY_USER);
        case RANK_REQUEST_INTERFACE:
                return append_dimension(request, reply, DIMENSION_INTERFACE, NETFLOWD_KEY_INTERFACE);
        case RANK_REQUEST_REMOTE:
                return append_dimension(request, reply, DIMENSION_REMOTE, NETFLOWD_FLOW_REMOTE);
        case RANK_REQUEST_PROTOCOL:
                return append_dimension(request, reply, DIMENSION_PROTOCOL, NETFLOWD_FLOW_PROTOCOL);
        }
        return -EINVAL;
}

static int reply_rank(const struct rank_request *request, sd_bus_message *call) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = sd_bus_message_new_method_return(call, &reply);
        if (r < 0)
                return r;
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
        if (r >= 0)
                r = append_rows(request, reply);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        return r < 0 ? r : sd_bus_message_send(reply);
}

static int reply_process_rank(sd_bus_message *call, const struct caller *caller, void *userdata,
                              sd_bus_error *ret_error) {
        struct rank_request request;
        int r;

        r = rank_request_read_process(call, userdata, caller, &request, ret_error);
        return r < 0 ? r : reply_rank(&request, call);
}

static int get_process_rank(sd_bus_message *call, const struct caller *caller, void *userdata,
                            sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return answers_make(bus->answers, call, caller, reply_process_rank, bus, ret_error);
}

static int reply_any_rank(sd_bus_message *call, const struct caller *caller, void *userdata,
                          sd_bus_error *ret_error) {
        struct rank_request request;
        int r;

        r = rank_request_read(call, userdata, caller, &request, ret_error);
        if (r < 0)
                return r;
        /* whom somebody talks to is told of by flows, which are not everyone's to see */
        if (request.by == RANK_REQUEST_REMOTE && !caller->granted)
                return sd_bus_error_setf(ret_error, SD_BUS_ERROR_ACCESS_DENIED,
                                         "the rank by remote address needs %s", NETFLOWD_ACTION_INSPECT);
        return reply_rank(&request, call);
}

static int get_rank(sd_bus_message *call, const struct caller *caller, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return answers_make(bus->answers, call, caller, reply_any_rank, bus, ret_error);
}

/* Private keys are shown to whom polkit lets see them, but nobody is asked for a password on their account. */
static int authorize_process_rank(sd_bus_message *call, const struct caller *caller, void *userdata,
                                  sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_authorize(bus->callers, call, caller, NETFLOWD_ACTION_INSPECT, false,
                                 get_process_rank, bus, ret_error);
}

int on_get_process_rank(sd_bus_message *call, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_ask(bus->callers, call, CALL_BYTES, authorize_process_rank, bus, ret_error);
}

static int authorize_rank(sd_bus_message *call, const struct caller *caller, void *userdata,
                          sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_authorize(bus->callers, call, caller, NETFLOWD_ACTION_INSPECT, false, get_rank, bus,
                                 ret_error);
}

int on_get_rank(sd_bus_message *call, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_ask(bus->callers, call, CALL_BYTES, authorize_rank, bus, ret_error);
}

static int reply_process(sd_bus_message *call, const struct caller *caller, void *userdata,
                         sd_bus_error *ret_error) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        struct bus *bus = userdata;
        struct rank_request request = {.bus = bus, .caller = caller, .query.recent = RING_SECONDS};
        struct process *process = NULL;
        struct rank_query last_second = {.recent = NETFLOWD_RECENT_MIN};
        struct rank_row row;
        uint32_t pid;
        int r;

        r = sd_bus_message_read(call, "u", &pid);
        if (r < 0)
                return r;
        if (pid == 0)
                return sd_bus_error_set(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                        "pid is 0, but must be in the range 1..4294967295");
        r = bus_find_process(bus, pid, &process, ret_error);
        if (r < 0)
                return r;
        engine_refresh(bus->config.engine, process);
        request.query.now_usec = last_second.now_usec = engine_now(bus->config.engine);
        (void) rank_row_of(process, &last_second, &row);
        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
                r = append_process(&request, reply, &row);
        return r < 0 ? r : sd_bus_message_send(reply);
}

/* It may hold a hundred thousand sockets. */
static int get_process(sd_bus_message *call, const struct caller *caller, void *userdata,
                       sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return answers_make(bus->answers, call, caller, reply_process, bus, ret_error);
}

static int authorize_process(sd_bus_message *call, const struct caller *caller, void *userdata,
                             sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_authorize(bus->callers, call, caller, NETFLOWD_ACTION_INSPECT, false, get_process,
                                 bus, ret_error);
}

int on_get_process(sd_bus_message *call, void *userdata, sd_bus_error *ret_error) {
        struct bus *bus = userdata;

        return callers_ask(bus->callers, call, CALL_BYTES, authorize_process, bus, ret_error);
}
