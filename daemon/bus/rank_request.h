/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "account/rank.h"
#include "bus/bus.h"
#include "bus/caller.h"

enum rank_by {
        RANK_REQUEST_PROCESS,
        RANK_REQUEST_APP,
        RANK_REQUEST_UNIT,
        RANK_REQUEST_USER,
        RANK_REQUEST_INTERFACE,
        RANK_REQUEST_REMOTE,
        RANK_REQUEST_PROTOCOL,
};

/* What a call for a rank asks for, and who asks. */
struct rank_request {
        struct bus *bus;
        const struct caller *caller;
        enum rank_by by;
        struct rank_query query; /* its window ends at engine_now() */
};

/* Read the arguments of GetProcessRank and of GetRank. Return 0, or a negative errno with *ret_error naming what
 * is wrong. */
int rank_request_read_process(sd_bus_message *call, struct bus *bus, const struct caller *caller,
                              struct rank_request *ret_request, sd_bus_error *ret_error);
int rank_request_read(sd_bus_message *call, struct bus *bus, const struct caller *caller,
                      struct rank_request *ret_request, sd_bus_error *ret_error);
