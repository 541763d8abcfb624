/* SPDX-License-Identifier: MIT */
#pragma once

#include <libsmartcols.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "arguments.h"

/* Output on its way to a person, through a pager where that is wanted. */
struct output {
        pid_t pager;       /* 0: none */
        bool terminal;     /* it ends up on one */
        bool colour;
        unsigned width;    /* columns that a table has to fit in; 0: as many as it takes */
        uint64_t turn;     /* how often it was done before, with --watch */
};

/* Starts the pager (NETFLOWCTL_PAGER, PAGER, less) when standard output is a terminal and the arguments
 * allow it. */
void output_begin(struct output *output, const struct arguments *arguments);

/* Waits for the pager. Returns as output_flush(). */
int output_end(struct output *output);

/* Has all that was printed so far written. Returns 0; EXIT_FAILURE having said that it could not be; or
 * EXIT_OUTPUT_CLOSED: nobody reads it. */
int output_flush(void);

/* Writes bytes behind what was printed, at once. Returns as output_flush(). */
int output_write(const char *bytes, size_t size);

/* A column of a table. */
struct column {
        const char *name;
        bool right; /* numbers */
        bool cut;   /* gives way where the table is too wide */
};

/* A table of libsmartcols with these columns. NULL: out of memory. scols_unref_table() frees it. */
struct libscols_table *table_new(const struct output *output, const struct arguments *arguments,
                                 const struct column *columns, size_t n);

/* A new row of it, to be filled with table_set_text(), or with scols_line_set_data() where it can only be what this
 * program wrote; NULL: out of memory. */
struct libscols_line *table_add(struct libscols_table *table);

/* Prints it and frees it. Each row has something in each cell, or there was no memory for that: then says so and
 * returns EXIT_FAILURE, else 0. */
int table_print(struct libscols_table *table);

/* Names come from processes that may mean no good: the cell, or what is printed, is what escape_text() makes of
 * it, so that nothing of it acts on the terminal. print_safe() fills up with blanks to so many columns. */
void table_set_text(struct libscols_line *line, size_t column, const char *text);
void print_safe(const char *text, size_t width);

/* "Name: value" with names aligned as systemctl status does. The value goes through print_safe(). */
void print_value(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));
