/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* Is there one on standard input and output, and has it what it takes to write anywhere on it? Says what is
 * amiss. Returns 0 or EXIT_FAILURE. */
int top_terminal_check(void);

/* Has its font blocks of eight heights? Those of consoles and of terminals of old do not. */
bool top_terminal_has_blocks(void);
