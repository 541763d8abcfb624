/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* What the command line asks for. */
struct command_line {
        enum command_line_action {
                COMMAND_LINE_RUN,
                COMMAND_LINE_PRINT_CONFIG,
                COMMAND_LINE_INTROSPECT,
                COMMAND_LINE_HELP,
                COMMAND_LINE_VERSION,
                COMMAND_LINE_COMPLETION,
        } action;
        const char *config_file; /* NULL: search for it */
        const char *savefile;    /* to read instead of the network; NULL */
        const char *shell;       /* to complete for */
        int bus_fd;              /* to serve instead of the system bus; -1 */
        struct config_option *options;
        size_t n_options;
        char **paths; /* of options, made absolute; ends with NULL, or NULL */
};

void command_line_done(struct command_line *line);

/* Returns 0; -EINVAL with one line that says what is wrong; -ENOMEM likewise. Its strings are those of argv
 * or its own; the caller does command_line_done(). */
int command_line_read(int argc, char **argv, struct command_line *ret_line,
                      char error[static CONFIG_MESSAGE_MAX]);

/* Writes what --help says. Returns 0 or a negative errno. */
int command_line_print_help(FILE *out);

/* Writes what a shell completes our command line by. Returns 0, or a negative errno: -EINVAL where it is none that
 * is known. */
int command_line_print_completion(FILE *out, const char *shell);

/* Where the configuration comes from with this command line. It configures the service: files are not
 * searched for where this is not it, but reads a savefile or serves one peer for a moment. */
void command_line_sources(const struct command_line *line, const char *log_level,
                          struct config_sources *ret_sources);
