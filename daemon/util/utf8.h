/* SPDX-License-Identifier: MIT */
#pragma once

/* Replaces each byte that is no part of valid UTF-8 (RFC 3629) by '?', in place. Names of processes and
 * files may hold any bytes; D-Bus and JSON carry UTF-8 only. */
void utf8_make_valid(char *text);
