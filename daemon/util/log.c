/* SPDX-License-Identifier: MIT */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "util/parse.h"

static const char *const level_names[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

void log_set_level(int level) {
        (void) setlogmask(LOG_UPTO(level));
}

bool log_enabled(int priority) {
        return setlogmask(0) & LOG_MASK(priority); /* 0 only asks: setlogmask(3) */
}

int log_level_from_name(const char *name) {
        uint32_t level;

        for (size_t i = 0; i < ELEMENTSOF(level_names); i++)
                if (strcmp(level_names[i], name) == 0)
                        return (int) i;
        return strlen(name) == 1 && parse_u32(name, LOG_EMERG, LOG_DEBUG, &level) == 0 ? (int) level
                                                                                       : -EINVAL;
}

const char *log_level_name(int level) {
        return level_names[level];
}

void log_write(int priority, const char *format, ...) {
        char line[2048];
        va_list arguments;

        if (!log_enabled(priority))
                return;
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
