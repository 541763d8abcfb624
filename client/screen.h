/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A terminal on which a text is written again and again in the same place. It is left as it was found after
 * each time: the cursor is below the text, nothing is switched on or off, so that there is nothing to undo,
 * however the program ends. */
struct screen {
        unsigned rows, columns; /* how large it is */
        unsigned painted;       /* lines above the cursor that are ours */
        bool moved;             /* it has been resized: who knows where they are */
};

/* Whether standard output is a terminal that can move its cursor (TERM). */
bool screen_is_there(void);

/* Asks the terminal for its size: at first, and whenever it has changed. */
void screen_resize(struct screen *screen);

/* Something else has written below: what is there stays there. */
void screen_leave(struct screen *screen);

/* The bytes that put the text in the place of the one before: lines are cut at the right, and those that do
 * not fit counted in the last one. Of control sequences it may have colours only. Returns a text to be
 * freed, with its length, or NULL: out of memory. */
char *screen_paint(struct screen *screen, const char *text, size_t *ret_size);
