/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* What a daemon sees to of its own process before it begins: what can be had is had, and the rest is lived with. */
void own_process_set_up(void);

/* Is it allowed what a backend needs ("auto": one of them)? Says what it needs where it is not. */
bool own_process_may_capture(const char *backend);

/* Says so where it cannot see whose sockets are. */
void own_process_warn_of_blindness(void);
