/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Completion of a command line by the shell, for both programs, made of the tables that they are parsed by.
 */

/* What an option takes. */
enum completion_values {
        COMPLETION_NOTHING, /* it takes no value */
        COMPLETION_ANY,     /* a value that nobody can guess */
        COMPLETION_WORDS,
        COMPLETION_FILE,
        COMPLETION_PID, /* from here on what `netflowctl --complete` knows */
        COMPLETION_UNIT,
        COMPLETION_DEVICE,
};

struct completion_option {
        const char *name, *help;
        char letter;             /* its short name; 0: none */
        bool optional, repeated; /* its value may be left out; it may be there more than once */
        enum completion_values values;
        const char *words; /* of COMPLETION_WORDS: "total|in|out" */
};

struct completion_verb {
        const char *name, *help;
        bool takes_pid;
};

struct completion {
        const char *program;
        const struct completion_option *options;
        size_t n_options;
        const struct completion_verb *verbs; /* NULL: it has none */
        size_t n_verbs;
};

/* Writes the script for a shell: "bash", "zsh" or "fish". Returns 0, or -EINVAL: no such shell. */
int completion_print(FILE *out, const char *shell, const struct completion *completion);

/* "pid", "unit", "device": what --complete takes; NULL for other values. */
const char *completion_kind(enum completion_values values);
