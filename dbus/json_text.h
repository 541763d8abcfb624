/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdio.h>

/* Writes a string as JSON has it (RFC 8259 section 7), in quotes. text is valid UTF-8; what a terminal would obey is
 * escaped. Whether it could be written, ferror(3) says. */
void json_write_text(FILE *file, const char *text);
