/* SPDX-License-Identifier: MIT */
#include "top_layout.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "util.h"

#define NAME_MIN 12u

/* In the order in which they leave a table that is too wide, the last one first. */
static const struct {
        enum top_column column;
        unsigned width;
        bool of_groups; /* or only of processes */
} columns_by_need[] = {
        {TOP_PID, 7, true},
        {TOP_NAME, NAME_MIN, true},
        {TOP_IN_RATE, TOP_AMOUNT_WIDTH, true},
        {TOP_OUT_RATE, TOP_AMOUNT_WIDTH, true},
        {TOP_MINUTE, 6, true},
        {TOP_IN, TOP_AMOUNT_WIDTH, true},
        {TOP_OUT, TOP_AMOUNT_WIDTH, true},
        {TOP_USER, 8, false},
        {TOP_UNIT, 11, false},
};

/* What they grow to where there is more room, step by step. */
static const struct {
        enum top_column column;
        unsigned width;
} wishes[] = {
        {TOP_NAME, 16}, {TOP_MINUTE, 10}, {TOP_UNIT, 20},       {TOP_MINUTE, 20},
        {TOP_NAME, 24}, {TOP_UNIT, 30},   {TOP_USER, 12},       {TOP_MINUTE, 30},
        {TOP_UNIT, 40}, {TOP_MINUTE, 60}, {TOP_NAME, UINT_MAX},
};

struct top_layout top_layout(enum top_group group, unsigned columns) {
        struct top_layout layout = {};
        unsigned used = 0;

        for (size_t i = 0; i < ELEMENTSOF(columns_by_need); i++) {
                unsigned needed = columns_by_need[i].width + (used > 0 ? 1 : 0);

                if (!columns_by_need[i].of_groups && group != TOP_BY_PROCESS)
                        continue;
                if (used + needed > columns)
                        break;
                layout.width[columns_by_need[i].column] = columns_by_need[i].width;
                used += needed;
        }
        for (size_t i = 0; i < ELEMENTSOF(wishes); i++) {
                unsigned *width = &layout.width[wishes[i].column], more;

                if (*width == 0 || wishes[i].width <= *width)
                        continue;
                more = wishes[i].width - *width;
                if (more > columns - used) {
                        if (wishes[i].column == TOP_MINUTE) /* a divisor, or nothing */
                                continue;
                        more = columns - used;
                }
                *width += more;
                used += more;
        }
        return layout;
}

/* Appends a cell, and a blank before it where it is not the first; returns the end of the text. */
static char *add_cell(char *line, char *end, unsigned width, const char *text, bool right) {
        size_t length = strlen(text);

        if (end > line)
                *end++ = ' ';
        for (size_t pad = right && length < width ? width - length : 0; pad > 0; pad--, width--)
                *end++ = ' ';
        top_fit(text, width, end);
        return end + strlen(end);
}

static const char *heading_of(enum top_column column, const struct top_model *model) {
        static const char *const names[] = {[TOP_BY_PROCESS] = "NAME",
                                            [TOP_BY_APP] = "APP",
                                            [TOP_BY_UNIT] = "UNIT",
                                            [TOP_BY_USER] = "USER"};

        switch (column) {
        case TOP_PID:
                return model->group == TOP_BY_PROCESS ? "PID" : "PROCS";
        case TOP_NAME:
                return names[model->group];
        case TOP_USER:
                return "USER";
        case TOP_UNIT:
                return "UNIT";
        case TOP_IN_RATE:
                return model->sort == TOP_SORT_IN ? "*IN/s" : "IN/s";
        case TOP_OUT_RATE:
                return model->sort == TOP_SORT_OUT ? "*OUT/s" : "OUT/s";
        case TOP_IN:
                return "IN";
        case TOP_OUT:
                return "OUT";
        case TOP_MINUTE:
        case TOP_COLUMN_MAX:
                break;
        }
        return "MINUTE";
}

static bool is_number(enum top_column column) {
        return column == TOP_PID || (column >= TOP_IN_RATE && column <= TOP_OUT);
}

char *top_layout_headings(const struct top_layout *layout, const struct top_model *model, char *text) {
        char *end = text;

        *end = '\0';
        for (enum top_column column = 0; column < TOP_COLUMN_MAX; column++)
                if (layout->width[column] > 0)
                        end = add_cell(text, end, layout->width[column], heading_of(column, model),
                                       is_number(column));
        return text;
}

static void name_cell(const struct top_model *model, const struct top_row *row, char text[512]) {
        if (model->group == TOP_BY_PROCESS && row->processes > 0)
                (void) snprintf(text, 512, "(%" PRIu32 ") %s", row->processes, row->name);
        else
                (void) snprintf(text, 512, "%s", row->name);
}

static void pid_cell(const struct top_model *model, const struct top_row *row, char text[512]) {
        uint32_t number = model->group == TOP_BY_PROCESS ? row->id.pid : row->processes;

        if (number > 0)
                (void) snprintf(text, 512, "%" PRIu32, number);
        else
                strcpy(text, "-");
}

char *top_layout_row(const struct top_layout *layout, const struct top_model *model,
                     const struct top_row *row, struct top_units units, bool blocks, char *text) {
        const uint64_t amounts[TOP_COLUMN_MAX] = {[TOP_IN_RATE] = row->in_rate,
                                                  [TOP_OUT_RATE] = row->out_rate,
                                                  [TOP_IN] = row->total_in,
                                                  [TOP_OUT] = row->total_out};
        uint64_t seconds[TOP_SECONDS];
        char *end = text;

        *end = '\0';
        for (enum top_column column = 0; column < TOP_COLUMN_MAX; column++) {
                char cell[512];

                if (layout->width[column] == 0)
                        continue;
                switch (column) {
                case TOP_PID:
                        pid_cell(model, row, cell);
                        break;
                case TOP_NAME:
                        name_cell(model, row, cell);
                        break;
                case TOP_USER:
                        (void) snprintf(cell, sizeof(cell), "%s", row->user ? row->user : "-");
                        break;
                case TOP_UNIT:
                        (void) snprintf(cell, sizeof(cell), "%s", row->unit ? row->unit : "-");
                        break;
                case TOP_IN_RATE:
                case TOP_OUT_RATE:
                case TOP_IN:
                case TOP_OUT:
                        top_amount(amounts[column], units, cell);
                        break;
                case TOP_MINUTE:
                case TOP_COLUMN_MAX:
                        if (end > text)
                                *end++ = ' ';
                        top_history_read(&row->history, model->last_second, seconds);
                        top_graph(seconds, TOP_SECONDS, layout->width[TOP_MINUTE], blocks, end);
                        end += strlen(end);
                        continue;
                }
                end = add_cell(text, end, layout->width[column], cell, is_number(column));
        }
        return text;
}
