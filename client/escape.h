/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

/* A text that may come from anywhere (a process names itself as it likes) as one that can be shown: what is
 * no character of the locale, moves the cursor, or turns the direction of what follows becomes \xNN, byte by
 * byte. A backslash stays as it is: names of units have them. Returns a text to be freed, or NULL: out of
 * memory. */
char *escape_text(const char *text);

/* How many bytes the character has that begins there, of those that are left (more than none), and how many
 * columns of a terminal it takes; what is none in this locale is a byte, and a column is as good as any
 * guess. */
size_t escape_character(const char *text, size_t left, int *ret_columns);

/* How many columns of a terminal such a text takes. */
size_t escape_width(const char *escaped);
