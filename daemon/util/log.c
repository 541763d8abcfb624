/* SPDX-License-Identifier: MIT */
#include "util/log.h"

#include <stdarg.h>
#include <string.h>

void log_write(int priority, const char *format, ...) {
        char line[2048];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(line, sizeof(line), format, arguments);
        va_end(arguments);
        for (char *c = line; (c = strpbrk(c, "\r\n"));
             c++) /* one line, whatever a library's error text holds */
                *c = ' ';

        if (getenv("JOURNAL_STREAM"))
                (void) fprintf(stderr, "<%d>%s\n", priority, line);
        else
                (void) fprintf(stderr, "netflowd: %s\n", line);
}
