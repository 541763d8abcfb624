/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-event.h>

#include "connection.h"

/* What goes on until it is ended: by one of its handlers, by netflowd going away, or by nobody reading any
 * more. */
struct loop {
        sd_event *event;
        struct connection *connection;
        bool ended; /* by us */
};

/* Says what failed, and returns 0 or EXIT_FAILURE. */
int loop_open(struct loop *ret_loop, struct connection *connection);
void loop_close(struct loop *loop);

/* Goes on until loop_end(), whose status it returns, or until netflowd goes away: says so and returns
 * EXIT_FAILURE. */
int loop_run(struct loop *loop);
void loop_end(struct loop *loop, int status);
