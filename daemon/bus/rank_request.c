/* SPDX-License-Identifier: MIT */
#include "bus/rank_request.h"

#include <string.h>

#include "bus/bus_internal.h"
#include "bus/options.h"
#include "dbus/org.netflowd1.h"

static const char *const by_names[] = {
        [RANK_REQUEST_PROCESS] = NETFLOWD_BY_PROCESS,     [RANK_REQUEST_APP] = NETFLOWD_BY_APP,
        [RANK_REQUEST_UNIT] = NETFLOWD_BY_UNIT,           [RANK_REQUEST_USER] = NETFLOWD_BY_USER,
        [RANK_REQUEST_INTERFACE] = NETFLOWD_BY_INTERFACE, [RANK_REQUEST_REMOTE] = NETFLOWD_BY_REMOTE,
        [RANK_REQUEST_PROTOCOL] = NETFLOWD_BY_PROTOCOL,
};

static const char *const sort_names[] = {
        [RANK_BY_TOTAL] = NETFLOWD_SORT_TOTAL,
        [RANK_BY_IN] = NETFLOWD_SORT_IN,
        [RANK_BY_OUT] = NETFLOWD_SORT_OUT,
};

static int read_word(const char *what, const char *text, const char *const *words, size_t n, size_t *ret_index,
                     sd_bus_error *ret_error) {
        char known[128] = "";

        for (size_t i = 0; i < n; i++) {
                if (strcmp(text, words[i]) == 0) {
                        *ret_index = i;
                        return 0;
                }
                (void) snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s", i > 0 ? ", " : "",
                                words[i]);
        }
        return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS, "%s is \"%s\", but must be one of %s",
                                 what, text, known);
}

static int check_recent(uint32_t recent, sd_bus_error *ret_error) {
        if (recent >= NETFLOWD_RECENT_MIN && recent <= NETFLOWD_RECENT_MAX)
                return 0;
        return sd_bus_error_setf(ret_error, SD_BUS_ERROR_INVALID_ARGS,
                                 "recent is %u, but must be in the range %u..%u seconds", recent,
                                 NETFLOWD_RECENT_MIN, NETFLOWD_RECENT_MAX);
}

int rank_request_read_process(sd_bus_message *call, struct bus *bus, const struct caller *caller,
                              struct rank_request *ret_request, sd_bus_error *ret_error) {
        struct rank_request request = {
                .bus = bus, .caller = caller, .query.now_usec = engine_now(bus->config.engine)};
        int r;

        r = sd_bus_message_read(call, "uu", &request.query.limit, &request.query.recent);
        if (r >= 0)
                r = check_recent(request.query.recent, ret_error);
        if (r < 0)
                return r;
        *ret_request = request;
        return 0;
}

int rank_request_read(sd_bus_message *call, struct bus *bus, const struct caller *caller,
                      struct rank_request *ret_request, sd_bus_error *ret_error) {
        struct rank_request request = {
                .bus = bus, .caller = caller, .query.now_usec = engine_now(bus->config.engine)};
        const char *by, *sort = NETFLOWD_SORT_TOTAL;
        int loopback = true;
        const struct option_slot slots[] = {{NETFLOWD_OPTION_SORT, "s", &sort, NULL},
                                            {NETFLOWD_OPTION_LOOPBACK, "b", &loopback, NULL}};
        size_t by_index = 0, sort_index = 0;
        int r;

        r = sd_bus_message_read(call, "suu", &by, &request.query.limit, &request.query.recent);
        if (r >= 0)
                r = options_read(call, slots, ELEMENTSOF(slots), ret_error);
        if (r >= 0)
                r = read_word("by", by, by_names, ELEMENTSOF(by_names), &by_index, ret_error);
        if (r >= 0)
                r = read_word("sort", sort, sort_names, ELEMENTSOF(sort_names), &sort_index, ret_error);
        if (r >= 0)
                r = check_recent(request.query.recent, ret_error);
        if (r < 0)
                return r;
        request.by = (enum rank_by) by_index;
        request.query.sort = (enum rank_sort) sort_index;
        request.query.without_loopback = !loopback;
        *ret_request = request;
        return 0;
}
