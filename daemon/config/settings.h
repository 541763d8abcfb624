/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "config/value.h"

/* The one table: parser, command line, --help, default and --print-config all go by it. */
struct setting {
        const char *key;      /* in a file */
        const char *option;   /* on the command line, behind "--" */
        const char *argument; /* of the option, in --help; NULL: the words */
        const char *help;
        const char *standard; /* the default, as it is written in a file */
        const struct value_type *type;
        struct value_range range;
        size_t offset;    /* of its field in struct config */
        bool at_run_time; /* a reload applies it; else a restart does */
};

extern const struct setting settings[CONFIG_SETTINGS];

/* The row with that key; NULL. */
const struct setting *setting_find(const char *key);

/* Its field. */
void *setting_field(const struct setting *setting, struct config *config);
const void *setting_field_const(const struct setting *setting, const struct config *config);

/* Sets the field, of a list appends to it; what is empty sets it back to its default. Returns 0, -ENOMEM,
 * or another negative errno with a sentence that says what is allowed; the field is untouched then. */
int setting_assign(const struct setting *setting, struct config *config, const char *text,
                   char error[static CONFIG_MESSAGE_MAX]);

/* "1..64", "auto|pcap", …: what it may be, for --help; "" where that takes more words. */
void setting_range(const struct setting *setting, char text[static CONFIG_MESSAGE_MAX]);
