/* SPDX-License-Identifier: MIT */
#pragma once

#include "top_paper.h"
#include "top_state.h"

/* The lines at the top that stay. */
#define TOP_HEADER_LINES 5

/* What netflowd counts in all, against what its processes have of it, and what of it is missing; lines 0 to
 * TOP_HEADER_LINES - 1. */
void top_write_header(const struct top_paper *paper, const struct top_state *state);

/* The filter that is being typed, what is to be said, or a few keys. */
void top_write_footer(const struct top_paper *paper, const struct top_state *state, size_t line);

/* The pane, or the table, into lines first to end - 1; the help from line 0 on. They say in the state how
 * far it is scrolled, and how many rows there are room for. */
void top_write_pane(const struct top_paper *paper, struct top_state *state, size_t first, size_t end);

/* What top_lines_write() takes, with the state. */
void top_add_details(struct top_lines *lines, const void *state);
