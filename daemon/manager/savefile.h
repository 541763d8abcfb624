/* SPDX-License-Identifier: MIT */
#pragma once

#include "engine/engine.h"

/* Reads config->savefile to its end and prints the rank as JSON on standard output: the processes, largest
 * first, and what had no process, a row for each reason. Logs what fails; what was read before still counts
 * and is printed. Returns an exit status, of sysexits.h where one fits. */
int savefile_run(const struct engine_config *config);
