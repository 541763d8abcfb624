/* SPDX-License-Identifier: MIT */
#pragma once

#include <syslog.h>

#include "util/macros.h"

/* One line to standard error, for the program itself: libraries return errors and log nothing. priority is
 * LOG_ERR, LOG_WARNING, … of syslog(3); where standard error is the journal it goes in front, as
 * sd-daemon(3) says, else the program's name does. */
void log_write(int priority, const char *format, ...) _printf_(2, 3);
