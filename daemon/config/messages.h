/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

/* Who is told of what is wrong, and of which line it is. */
struct messages {
        config_handler handler;
        void *userdata;
        const char *path; /* NULL: not a file */
        unsigned line;    /* 0: the file as a whole */
};

/* Tells one line, with path and line in front; bytes that no terminal should get are replaced. */
void messages_tell(const struct messages *messages, const char *format, ...) _printf_(2, 3);
