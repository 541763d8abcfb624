/* SPDX-License-Identifier: MIT */
#include "output.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape.h"
#include "util.h"
#include "verbs.h"

#define NAME_WIDTH 16

/* More of a value is not for people: --json has all of it. */
#define VALUE_MAX 8192

static void run_pager(int input) {
        const char *pager = secure_getenv("NETFLOWCTL_PAGER");

        if (!pager)
                pager = secure_getenv("PAGER");
        if (dup2(input, STDIN_FILENO) < 0)
                _exit(EXIT_FAILURE);
        /* F: quits when all fits; R: colours; S: no folding; X: leaves the text on the screen; as
         * systemctl(1) */
        (void) setenv("LESS", "FRSXMK", 0);
        (void) setenv("LESSSECURE", "1", 1);
        (void) setenv("LESSCHARSET", "utf-8", 0);
        if (pager && *pager)
                execl("/bin/sh", "sh", "-c", pager, NULL);
        else
                execlp("less", "less", NULL);
        execlp("more", "more", NULL);
        execlp("cat", "cat", NULL);
        _exit(EXIT_FAILURE);
}

void output_begin(struct output *output, const struct arguments *arguments) {
        const char *pager = secure_getenv("NETFLOWCTL_PAGER");
        bool terminal = isatty(STDOUT_FILENO);
        int fds[2];

        *output = (struct output){.terminal = terminal, .colour = terminal && !getenv("NO_COLOR")};
        if (!terminal || arguments->no_pager || arguments->watch > 0 || arguments->verb->flags & VERB_LIVE ||
            (pager && !*pager) || pipe(fds) < 0)
                return;
        (void) fflush(stdout);
        output->pager = fork();
        if (output->pager == 0) {
                close(fds[1]);
                run_pager(fds[0]);
        }
        close(fds[0]);
        if (output->pager < 0) { /* no process left for it: straight to the terminal */
                output->pager = 0;
                close(fds[1]);
                return;
        }
        (void) dup2(fds[1], STDOUT_FILENO);
        close(fds[1]);
}

/* Is the other end of the pipe gone? */
static bool is_closed(void) {
        struct pollfd output = {.fd = STDOUT_FILENO}; /* errors come unasked */

        return poll(&output, 1, 0) > 0 && output.revents & POLLERR;
}

/* What could not be written is given up, so that it is said once. */
static int fail_write(int error) {
        __fpurge(stdout);
        clearerr(stdout);
        return error == EPIPE ? EXIT_OUTPUT_CLOSED : fail("cannot write: %s", strerror(error));
}

int output_flush(void) {
        if (fflush(stdout) != 0)
                return fail_write(errno);
        if (!ferror(stdout))
                return EXIT_SUCCESS;
        /* an earlier write has failed, and why is not known any more */
        return fail_write(is_closed() ? EPIPE : EIO);
}

int output_write(const char *bytes, size_t size) {
        int status = output_flush();

        while (status == EXIT_SUCCESS && size > 0) {
                ssize_t n = write(STDOUT_FILENO, bytes, size);

                if (n < 0 && errno != EINTR)
                        return fail_write(errno);
                bytes += n > 0 ? n : 0;
                size -= n > 0 ? (size_t) n : 0;
        }
        return status;
}

int output_end(struct output *output) {
        if (output->pager > 0) {
                (void) fflush(stdout);
                close(STDOUT_FILENO); /* the pager waits for the end of its input */
                while (waitpid(output->pager, NULL, 0) < 0 && errno == EINTR)
                        ;
                output->pager = 0;
                return EXIT_SUCCESS; /* a pager that is left early has not failed */
        }
        return output_flush();
}

struct libscols_table *table_new(const struct output *output, const struct arguments *arguments,
                                 const struct column *columns, size_t n) {
        struct libscols_table *table = scols_new_table();

        if (!table)
                return NULL;
        (void) scols_table_enable_colors(table, output->colour);
        (void) scols_table_enable_noheadings(table, arguments->no_legend);
        if (scols_table_set_column_separator(table, "  ") < 0) {
                scols_unref_table(table);
                return NULL;
        }
        (void) scols_table_enable_noencoding(table, 1); /* table_set_text() has seen to it */
        if (output->width > 0) {
                (void) scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
                (void) scols_table_set_termwidth(table, output->width);
        }
        for (size_t i = 0; i < n; i++) {
                struct libscols_column *column =
                        scols_table_new_column(table, columns[i].name, 0,
                                               (columns[i].right ? SCOLS_FL_RIGHT : 0) |
                                                       (columns[i].cut && output->width > 0 ? SCOLS_FL_TRUNC : 0));

                if (!column) {
                        scols_unref_table(table);
                        return NULL;
                }
                (void) scols_cell_set_color(scols_column_get_header(column), "\033[1m");
        }
        return table;
}

struct libscols_line *table_add(struct libscols_table *table) {
        return scols_table_new_line(table, NULL);
}

static bool is_complete(struct libscols_table *table) {
        struct libscols_iter *lines = scols_new_iter(SCOLS_ITER_FORWARD);
        bool complete = lines != NULL;
        struct libscols_line *line;

        for (size_t i = 0; complete && i < scols_table_get_ncols(table); i++)
                complete = scols_cell_get_data(scols_column_get_header(scols_table_get_column(table, i)));
        while (complete && scols_table_next_line(table, lines, &line) == 0)
                for (size_t i = 0; complete && i < scols_table_get_ncols(table); i++) {
                        struct libscols_cell *cell = scols_line_get_cell(line, i);

                        complete = cell && scols_cell_get_data(cell);
                }
        scols_free_iter(lines);
        return complete;
}

int table_print(struct libscols_table *table) {
        bool printed = is_complete(table) && scols_print_table(table) == 0;

        scols_unref_table(table);
        return printed ? EXIT_SUCCESS : fail("out of memory");
}

void table_set_text(struct libscols_line *line, size_t column, const char *text) {
        char *escaped = escape_text(text);

        if (escaped && scols_line_refer_data(line, column, escaped) < 0)
                free(escaped);
}

void print_safe(const char *text, size_t width) {
        _cleanup_free_ char *escaped = escape_text(text);
        size_t used = escaped ? escape_width(escaped) : 0;

        if (escaped)
                (void) printf("%s%*s", escaped, used < width ? (int) (width - used) : 0, "");
        else
                (void) fail("out of memory");
}

void print_value(const char *name, const char *format, ...) {
        char text[VALUE_MAX];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        (void) printf("%*s: ", NAME_WIDTH, name);
        print_safe(text, 0);
        (void) putchar('\n');
}
