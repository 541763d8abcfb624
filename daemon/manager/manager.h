/* SPDX-License-Identifier: MIT */
#pragma once

#include "engine/engine.h"

struct manager_config {
        struct engine_config engine;
        int bus_fd; /* one end of a socket pair to serve instead of the system bus; -1: none */
};

/* Captures and serves until SIGTERM, SIGINT or the end of the peer. Logs what fails. Returns an exit status,
 * of sysexits.h where one fits. Signals are blocked in the calling thread from here on. */
int manager_run(const struct manager_config *config);
