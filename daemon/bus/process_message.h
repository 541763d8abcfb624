/* SPDX-License-Identifier: MIT */
#pragma once

#include <systemd/sd-bus.h>

#include "bus/process_fields.h"

/* Append one process as a{sv}. Return 0 or a negative errno of sd-bus; the message is of no use then. */
int process_message_append(sd_bus_message *message, const struct process_fields *fields);

/* Seconds of CLOCK_REALTIME, the last one excluded. */
struct ring_span {
        uint64_t first_second, end_second;
};

/* The same with that part of a ring, for a row that is no process's. */
int process_message_append_traffic(sd_bus_message *message, const struct process_fields *fields,
                                   const struct ring *ring, const struct ring_span *span);

/* The same with that part of its ring, and with DETAIL_PRIVATE the inodes of its sockets. */
int process_message_append_full(sd_bus_message *message, const struct process_fields *fields,
                                const struct rank_row *row, const struct ring_span *span,
                                enum detail detail);
