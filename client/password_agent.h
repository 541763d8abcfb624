/* SPDX-License-Identifier: MIT */
#pragma once

#include <sys/types.h>

/* Starts pkttyagent(1) beside a call that polkit may want a password for, when there is a terminal to ask on.
 * Returns its pid once it is ready; 0 where none is needed or there: then a desktop's own agent may ask. */
pid_t password_agent_start(void);

/* Ends it. 0: nothing to do. */
void password_agent_stop(pid_t agent);
