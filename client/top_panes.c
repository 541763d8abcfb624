/* SPDX-License-Identifier: MIT */
#include "top_panes.h"

#include <stdlib.h>
#include <string.h>

#include "top_keys.h"
#include "top_layout.h"
#include "util.h"

/* A rate from here on is busy, as in the rank. */
#define BUSY_RATE 1000000u

static void add_help(struct top_lines *lines, const void *state) {
        const struct top_state *top = state;

        for (const struct top_key *key = top_keys; key->names; key++)
                top_lines_add(lines, TOP_PLAIN, "%-14s %s", key->names, key->help);
        top_lines_add(lines, TOP_PLAIN, "%s", "");
        top_lines_add(lines, TOP_PLAIN, "IN/s and OUT/s are over the last %u seconds, IN and OUT since the",
                      top->model.recent);
        top_lines_add(lines, TOP_PLAIN, "first packet; MINUTE is the last one, each row by its own peak.");
}

static const char *nothing_text(const struct top_state *state) {
        if (state->model.n > 0)
                return "Nothing matches the filter.";
        if (state->model.last_second == 0)
                return "Asking netflowd.";
        return state->model.without_loopback ? "No process had traffic yet, without loopback."
                                             : "No process had traffic yet.";
}

static enum top_ink ink_of(const struct top_row *row, bool selected) {
        if (selected)
                return TOP_SELECTED;
        if (row->exited)
                return TOP_DIM;
        return row->in_rate >= BUSY_RATE || row->out_rate >= BUSY_RATE ? TOP_BUSY : TOP_PLAIN;
}

/* Moves what is seen by as little as has the selected row in it. */
static void scroll_to(struct top_state *state, size_t selected, size_t room) {
        size_t n = state->model.n_shown;

        if (state->above > selected)
                state->above = selected;
        if (selected >= state->above + room)
                state->above = selected - room + 1;
        if (state->above + room > n)
                state->above = n > room ? n - room : 0;
}

static void write_table(const struct top_paper *paper, struct top_state *state, size_t first, size_t end) {
        const struct top_model *model = &state->model;
        struct top_layout layout = top_layout(model->group, (unsigned) paper->columns);
        size_t selected = top_model_selected(model), room = end - first - 1;
        _cleanup_free_ char *text = malloc(TOP_FIT_MAX(paper->columns));

        if (!text)
                return;
        top_write_fitting(paper, first, TOP_HEADINGS, top_layout_headings(&layout, model, text));
        scroll_to(state, selected, room);
        for (size_t i = 0; i < room && state->above + i < model->n_shown; i++) {
                const struct top_row *row = model->shown[state->above + i];

                top_layout_row(&layout, model, row, state->units, paper->blocks, text);
                top_write_fitting(paper, first + 1 + i, ink_of(row, state->above + i == selected), text);
        }
        if (model->n_shown == 0)
                top_write(paper, first + 1, TOP_PLAIN, "%s", nothing_text(state));
}

void top_write_pane(const struct top_paper *paper, struct top_state *state, size_t first, size_t end) {
        state->page = end - first - 1;
        switch (state->pane) {
        case TOP_TABLE:
                write_table(paper, state, first, end);
                break;
        case TOP_DETAILS:
                top_write(paper, first, TOP_HEADINGS, "Process %u  (Esc: back)", state->details.pid);
                top_lines_write(paper, first + 1, end, &state->scroll, top_add_details, state);
                break;
        case TOP_HELP:
                top_write(paper, 0, TOP_HEADINGS, "Keys  (Esc: back)");
                top_lines_write(paper, 1, end, &state->scroll, add_help,
                                state); /* over the header as well */
                break;
        }
}
