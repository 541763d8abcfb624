/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <systemd/sd-journal.h>

#include "util/log.h"

/* Is standard error the journal (systemd.exec(5), $JOURNAL_STREAM)? */
bool journal_is_there(void);

/* One line for people and, in the journal, fields for machines: pairs of format and argument as
 * sd_journal_send(3) takes them. */
#define journal_write(priority, text, ...)                                                      \
        do {                                                                                    \
                if (!journal_is_there())                                                        \
                        log_write((priority), "%s", (text));                                    \
                else if (log_enabled(priority))                                                 \
                        (void) sd_journal_send("MESSAGE=%s", (text), "PRIORITY=%i", (priority), \
                                               __VA_ARGS__, NULL);                              \
        } while (0)
