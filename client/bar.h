/* SPDX-License-Identifier: MIT */
#pragma once

#include <json-c/json.h>

/* Lines for the programs that draw status bars, of which each takes the place of the one before. */
#define BAR_FORMAT_WAYBAR   "waybar"   /* JSON: text, tooltip, class; the first two are Pango markup */
#define BAR_FORMAT_I3BLOCKS "i3blocks" /* plain text */

/* A line with the rates of these processes in sum, and in the tooltip of each. NULL: netflowd is not there.
 */
void bar_print(const char *format, struct json_object *processes);
