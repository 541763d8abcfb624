/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How amounts are shown. */
struct top_units {
        bool bits;   /* else bytes */
        bool binary; /* to the base of 1024, else of 1000 */
};

/* Room for any amount, with its NUL. It is never wider than TOP_AMOUNT_WIDTH columns. */
#define TOP_AMOUNT_MAX   16
#define TOP_AMOUNT_WIDTH 7

/* So many bytes as "339 kB", "2.7 Mb", "331 KiB" or "2.6 Mib", rounded to the nearest. Returns text. */
char *top_amount(uint64_t bytes, struct top_units units, char text[static TOP_AMOUNT_MAX]);

/* Room for a text of so many columns, with its combining characters and its NUL. */
#define TOP_FIT_MAX(columns) ((size_t) (columns) *8 + 1)

/* Exactly so many columns of a text that anybody may have written, as escape_text() has it: wide characters
 * whole or not at all, at most three combining ones on each. ret_text has TOP_FIT_MAX(columns). Returns it;
 * blanks where there is no memory. */
char *top_fit(const char *text, size_t columns, char *ret_text);

/* Room for a graph of so many columns. */
#define TOP_GRAPH_MAX(columns) ((size_t) (columns) *3 + 1)

/* n values in so many columns, n being a multiple of them, as high as the largest column; what is not 0 is
 * never shown as nothing. With blocks of Unicode, or in ASCII. ret_text has TOP_GRAPH_MAX(columns). Returns
 * it. */
char *top_graph(const uint64_t *values, size_t n, size_t columns, bool utf8, char *ret_text);
