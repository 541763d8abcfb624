/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "arguments.h"
#include "connection.h"
#include "output.h"

/* Does once what a verb does, over a connection. Says what failed; returns an exit status. */
typedef int (*verb_function)(struct connection *connection, const struct arguments *arguments,
                             const struct output *output);

/* One table is dispatch and help. */
struct verb {
        const char *name;
        const char *argument; /* what it takes, for the help; NULL: nothing */
        const char *help;
        verb_function run;
        bool live; /* shows what happens, when it happens: no window to measure first, no pager, nothing to
                      repeat */
};

extern const struct verb verbs[]; /* the first is the default; ends with an empty name */

int verb_rank(struct connection *connection, const struct arguments *arguments, const struct output *output);
int verb_show(struct connection *connection, const struct arguments *arguments, const struct output *output);
int verb_status(struct connection *connection, const struct arguments *arguments,
                const struct output *output);
int verb_monitor(struct connection *connection, const struct arguments *arguments,
                 const struct output *output);
