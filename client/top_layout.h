/* SPDX-License-Identifier: MIT */
#pragma once

#include "top_model.h"
#include "top_text.h"

/* Below this the terminal is too small. */
#define TOP_COLUMNS_MIN 40
#define TOP_LINES_MIN   10

enum top_column {
        TOP_PID, /* of groups: how many processes */
        TOP_NAME,
        TOP_USER,
        TOP_UNIT,
        TOP_IN_RATE,
        TOP_OUT_RATE,
        TOP_IN,
        TOP_OUT,
        TOP_MINUTE,
        TOP_COLUMN_MAX,
};

/* How wide each column of the table is, one blank being between two; 0: there is no room for it, or nothing
 * to show. Of TOP_MINUTE it is a divisor of TOP_SECONDS. */
struct top_layout {
        unsigned width[TOP_COLUMN_MAX];
};

/* The layout for a terminal of so many columns, at least TOP_COLUMNS_MIN. All of them are used. */
struct top_layout top_layout(enum top_group group, unsigned columns);

/* The line of headings; the column that is sorted by has a mark. text has TOP_FIT_MAX(columns). */
char *top_layout_headings(const struct top_layout *layout, const struct top_model *model, char *text);

/* The line of a row, its graph of blocks or of ASCII. */
char *top_layout_row(const struct top_layout *layout, const struct top_model *model,
                     const struct top_row *row, struct top_units units, bool blocks, char *text);
