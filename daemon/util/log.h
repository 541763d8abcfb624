/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <syslog.h>

#include "util/macros.h"

/* One line to standard error, for the program itself: libraries return errors and log nothing. priority is
 * LOG_ERR, LOG_WARNING, … of syslog(3); where standard error is the journal it goes in front, as
 * sd-daemon(3) says, else the program's name does. What is less important than the level is left out. */
void log_write(int priority, const char *format, ...) _printf_(2, 3);

/* The level: priorities up to and including this one are logged. It is kept where syslog(3) keeps its own,
 * setlogmask(3), so that no variable of ours is needed; LOG_DEBUG, everything, as long as nothing is set. */
void log_set_level(int level);
bool log_enabled(int priority);

/* A level by its name ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug") or number, 0
 * to 7. Returns it, or -EINVAL. */
int log_level_from_name(const char *name);

/* The name of a level 0..7. */
const char *log_level_name(int level);
