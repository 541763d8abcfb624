/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>

#include "top_state.h"

/* A key that is no character, such as an arrow, as a number that no character has. */
#define TOP_FUNCTION_KEY(code) (-(code))

/* What a key does. The table of them is dispatch and help; tests/manual.py holds the man page to it. */
struct top_key {
        const char *names; /* as netflowctl(1) has them, with ", " between */
        const char *hint;  /* in the last line of the screen; NULL: not there */
        const char *help;
        void (*press)(struct top_state *state);
        int codes[4]; /* characters and TOP_FUNCTION_KEY()s; 0 is none */
};

extern const struct top_key top_keys[]; /* ends with an empty one */

/* What a key that was pressed changes: a character, or a TOP_FUNCTION_KEY(). Others do nothing. */
void top_keys_press(struct top_state *state, int key);
