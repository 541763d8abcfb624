/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "connection.h"

/* Starts a netflowd of our own on a socket pair: beside this program, or where it is installed. Where it is to be
 * quiet, what it says on standard error is kept for connection_close() to say, as far as there is room in a pipe.
 * Says what failed. Returns 0 or EXIT_FAILURE. */
int standalone_open(struct connection *ret_connection, bool quiet);

/* Says what a netflowd that has ended has said, and closes the pipe. */
void standalone_relay(int said);

/* Waits for the end of a netflowd whose connection has been closed, and ends it when it takes too long. */
void standalone_reap(pid_t child);

/* Has it ended by itself with an error? It has said why on standard error then. */
bool standalone_has_failed(pid_t child);

/* Measures for one whole window, with a countdown where standard error is a terminal. Returns 0 or
 * EXIT_FAILURE. */
int standalone_measure(struct connection *connection, unsigned seconds);
