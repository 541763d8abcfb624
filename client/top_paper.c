/* SPDX-License-Identifier: MIT */
#include "top_paper.h"

#include <stdio.h>
#include <string.h>

#include "top_text.h"
#include "util.h"

void top_write_fitting(const struct top_paper *paper, size_t line, enum top_ink ink, const char *text) {
        if (line < paper->lines)
                paper->write(paper->userdata, line, ink, text);
}

__attribute__((format(printf, 4, 0))) static void write_list(const struct top_paper *paper, size_t line,
                                                             enum top_ink ink, const char *format,
                                                             va_list arguments) {
        _cleanup_free_ char *text = NULL, *fitting = malloc(TOP_FIT_MAX(paper->columns));

        if (vasprintf(&text, format, arguments) < 0) {
                text = NULL;
                return;
        }
        if (fitting)
                top_write_fitting(paper, line, ink, top_fit(text, paper->columns, fitting));
}

void top_write(const struct top_paper *paper, size_t line, enum top_ink ink, const char *format, ...) {
        va_list arguments;

        va_start(arguments, format);
        write_list(paper, line, ink, format, arguments);
        va_end(arguments);
}

void top_lines_add(struct top_lines *lines, enum top_ink ink, const char *format, ...) {
        size_t number = lines->n++;
        va_list arguments;

        if (lines->counted || number < lines->skipped ||
            number - lines->skipped >= lines->end - lines->first)
                return;
        va_start(arguments, format);
        write_list(lines->paper, lines->first + number - lines->skipped, ink, format, arguments);
        va_end(arguments);
}

void top_lines_add_sentence(struct top_lines *lines, const char *text) {
        while (*text) {
                size_t n = strlen(text);

                if (n > lines->paper->columns) {
                        n = lines->paper->columns;
                        while (n > 0 && text[n] != ' ')
                                n--;
                        if (n == 0) /* a word that is longer is cut */
                                n = strlen(text);
                }
                top_lines_add(lines, TOP_PLAIN, "%.*s", (int) n, text);
                text += n + strspn(text + n, " ");
        }
}

void top_lines_write(const struct top_paper *paper, size_t first, size_t end, size_t *scroll,
                     void (*add)(struct top_lines *lines, const void *userdata), const void *userdata) {
        struct top_lines lines = {.paper = paper, .first = first, .end = end}, counted = lines;
        size_t room = end - first;

        counted.counted = true;
        add(&counted, userdata);
        if (*scroll > (counted.n > room ? counted.n - room : 0))
                *scroll = counted.n > room ? counted.n - room : 0;
        lines.skipped = *scroll;
        add(&lines, userdata);
}
