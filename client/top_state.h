/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "top_model.h"
#include "top_text.h"

enum top_pane {
        TOP_TABLE,
        TOP_DETAILS,
        TOP_HELP,
};

enum top_link {
        TOP_FOLLOWING, /* netflowd */
        TOP_NO_DAEMON,
        TOP_NO_BUS,
};

/* One process, from nearby. */
struct top_details {
        uint32_t pid;                              /* 0: none is looked at */
        uint64_t start_time_usec;                  /* which of those that had that pid one after another */
        struct json_object *process, *flows;       /* as they were told last; NULL: they were not */
        char process_error[160], flows_error[160]; /* why not; "": not answered yet */
};

/* All that keys change and the screen shows. */
struct top_state {
        struct top_model model;
        struct top_details details;
        struct top_units units;
        enum top_pane pane;
        enum top_link link;
        bool paused;
        bool editing;      /* the filter is being typed */
        size_t scroll;     /* lines of the pane that are above what is seen of it, */
        size_t above;      /* and rows of the table */
        size_t page;       /* lines of rows that there is room for; the screen says so */
        char message[160]; /* to be said until the next key; "": nothing */
        char trouble[160]; /* what netflowd said to the last question; "": the answer */
        /* asked for by a key, and reset by who does it */
        bool ask, repaint, quit;
};

void top_state_init(struct top_state *state);
void top_state_done(struct top_state *state);

/* Leaves the details, or none. */
void top_details_done(struct top_details *details);
