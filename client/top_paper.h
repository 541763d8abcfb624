/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* What lines can look like; how, is the screen's. */
enum top_ink {
        TOP_PLAIN,
        TOP_BOLD,
        TOP_DIM,
        TOP_BUSY,
        TOP_HEADINGS,
        TOP_SELECTED,
        TOP_ALARM,
        TOP_INK_MAX,
};

/* Where lines are written to, 0 being the first. */
struct top_paper {
        void (*write)(void *userdata, size_t line, enum top_ink ink, const char *text);
        void *userdata;
        size_t columns, lines;
        bool blocks; /* what graphs may be of */
};

/* Writes a line that anybody may have had a part in, cut and padded to the columns. */
void top_write(const struct top_paper *paper, size_t line, enum top_ink ink, const char *format, ...)
        __attribute__((format(printf, 4, 5)));

/* Writes a line that fits already. */
void top_write_fitting(const struct top_paper *paper, size_t line, enum top_ink ink, const char *text);

/* More lines than there may be room for. */
struct top_lines {
        const struct top_paper *paper;
        bool counted;      /* only: none is written */
        size_t first, end; /* where they go */
        size_t skipped;    /* how many of them are above that */
        size_t n;
};

/* The next line, as top_write() takes it. */
void top_lines_add(struct top_lines *lines, enum top_ink ink, const char *format, ...)
        __attribute__((format(printf, 3, 4)));

/* A sentence, in as many lines as it takes. */
void top_lines_add_sentence(struct top_lines *lines, const char *text);

/* Writes what add() adds to the lines first to end - 1, from *scroll on, and has *scroll stop at the end of
 * them. */
void top_lines_write(const struct top_paper *paper, size_t first, size_t end, size_t *scroll,
                     void (*add)(struct top_lines *lines, const void *userdata), const void *userdata);
