/* SPDX-License-Identifier: MIT */
#pragma once

/* Prints what may stand on the command line for a shell to offer: "pid", "unit" or "device"
 * (completion_kind()), a line each: the value, a tab, what it is. Starts no netflowd, and says nothing where
 * there is none. */
void complete_print(const char *kind);
