/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

#include "top_state.h"

/* The terminal, while it is ours. */
struct top_screen;

/* Takes the terminal on standard input and output over, with colour or without. Says what failed. Returns 0
 * or EXIT_FAILURE; top_screen_free() gives it back as it was. */
int top_screen_new(bool colour, struct top_screen **ret_screen);
void top_screen_free(struct top_screen *screen);

/* Its size is another. */
void top_screen_resize(struct top_screen *screen);

/* Others have written on it, or changed how it works. */
void top_screen_repaint(struct top_screen *screen);

/* Shows the state, and says in it how many rows there is room for. */
void top_screen_draw(struct top_screen *screen, struct top_state *state);

/* The next key that has been pressed, as top_keys_press() takes it. Returns false when there is none. */
bool top_screen_read_key(struct top_screen *screen, int *ret_key);
