/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "arguments.h"
#include "connection.h"
#include "output.h"

/* Does once what a verb does, over a connection. Says what failed; returns an exit status. */
typedef int (*verb_function)(struct connection *connection, const struct arguments *arguments,
                             const struct output *output);

enum {
        VERB_LIVE = 1 << 0,    /* shows or does what happens now: no window to measure first, no pager */
        VERB_MAY_ASK = 1 << 1, /* polkit may ask for a password */
        VERB_ANSWERS = 1 << 2, /* with a table or a list, which --csv and --watch are for */
        VERB_SCREEN = 1 << 3,  /* has the terminal to itself: what our own netflowd says waits for the end */
};

/* One table is dispatch, help and completion. */
struct verb {
        const char *name;
        const char *argument; /* what it takes, for the help, in brackets when it may be left out; NULL: nothing */
        const char *help;
        verb_function run;
        unsigned flags; /* VERB_… */
};

/* There are fewer. */
#define VERBS_MAX 32

extern const struct verb verbs[]; /* the first is the default; ends with an empty name */

int verb_rank(struct connection *connection, const struct arguments *arguments, const struct output *output);
int verb_show(struct connection *connection, const struct arguments *arguments, const struct output *output);
int verb_status(struct connection *connection, const struct arguments *arguments,
                const struct output *output);
int verb_flows(struct connection *connection, const struct arguments *arguments,
               const struct output *output);
int verb_pcap(struct connection *connection, const struct arguments *arguments, const struct output *output);
int verb_start(struct connection *connection, const struct arguments *arguments,
               const struct output *output);
int verb_stop(struct connection *connection, const struct arguments *arguments, const struct output *output);
int verb_monitor(struct connection *connection, const struct arguments *arguments,
                 const struct output *output);
int verb_top(struct connection *connection, const struct arguments *arguments, const struct output *output);
