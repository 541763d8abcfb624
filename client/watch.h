/* SPDX-License-Identifier: MIT */
#pragma once

#include "arguments.h"
#include "connection.h"

/* Does what the verb does again and again, until something ends it: on a terminal in the same place, else
 * one below the other. Says what failed; returns an exit status. */
int watch_run(struct connection *connection, const struct arguments *arguments);
