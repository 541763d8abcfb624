/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"

struct manager_config {
        struct config *config;                /* what holds: a reload changes it */
        const struct config_sources *sources; /* what it was read from, for that */
        int bus_fd; /* one end of a socket pair to serve instead of the system bus; -1: none */
};

/* Captures and serves until SIGTERM, SIGINT or the end of the peer. Logs what fails. Returns an exit status,
 * of sysexits.h where one fits. Signals are blocked in the calling thread from here on. */
int manager_run(const struct manager_config *config);
