/* SPDX-License-Identifier: MIT */
#include "top_keys.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "util.h"

#define ESCAPE     0x1b
#define CONTROL(c) ((c) &0x1f)
#define DELETE     0x7f

/* --- where one is ---------------------------------------------------------------------------------------
 */

static void step(struct top_state *state, bool down, size_t lines) {
        size_t at = state->pane == TOP_TABLE ? top_model_selected(&state->model) : state->scroll;

        at = down ? at + lines : at > lines ? at - lines : 0;
        if (state->pane == TOP_TABLE)
                top_model_select(&state->model, at);
        else
                state->scroll = at; /* the screen stops at the last line */
}

static void press_up(struct top_state *state) {
        step(state, false, 1);
}

static void press_down(struct top_state *state) {
        step(state, true, 1);
}

static void press_page_up(struct top_state *state) {
        step(state, false, state->page);
}

static void press_page_down(struct top_state *state) {
        step(state, true, state->page);
}

static void press_home(struct top_state *state) {
        step(state, false, SIZE_MAX);
}

static void press_end(struct top_state *state) {
        step(state, true, SIZE_MAX / 2);
}

static void leave_pane(struct top_state *state) {
        top_details_done(&state->details);
        state->pane = TOP_TABLE;
        state->scroll = 0;
}

static void press_enter(struct top_state *state) {
        struct top_model *model = &state->model;
        const struct top_row *row = model->n_shown > 0 ? model->shown[top_model_selected(model)] : NULL;

        if (state->pane != TOP_TABLE) {
                leave_pane(state);
                return;
        }
        if (!row || row->id.pid == 0) {
                (void) snprintf(
                        state->message, sizeof(state->message), "%s",
                        !row ? "there is nothing to show the details of"
                             : "details are of one process that is known: press g to group by process");
                return;
        }
        state->pane = TOP_DETAILS;
        state->details.pid = row->id.pid;
        state->details.start_time_usec = row->id.start_time_usec;
        state->ask = true;
}

static void press_escape(struct top_state *state) {
        if (state->pane != TOP_TABLE)
                leave_pane(state);
        else
                top_model_set_filter(&state->model, "");
}

/* --- what is shown, and how -----------------------------------------------------------------------------
 */

static void press_total(struct top_state *state) {
        top_model_set_sort(&state->model, TOP_SORT_TOTAL);
}

static void press_in(struct top_state *state) {
        top_model_set_sort(&state->model, TOP_SORT_IN);
}

static void press_out(struct top_state *state) {
        top_model_set_sort(&state->model, TOP_SORT_OUT);
}

static void press_name(struct top_state *state) {
        top_model_set_sort(&state->model, TOP_SORT_NAME);
}

static void press_sort(struct top_state *state) {
        top_model_set_sort(&state->model, (state->model.sort + 1) % TOP_SORT_MAX);
}

static void press_group(struct top_state *state) {
        leave_pane(state);
        top_model_set_group(&state->model, (state->model.group + 1) % TOP_BY_MAX);
        state->ask = true;
}

static void press_filter(struct top_state *state) {
        leave_pane(state);
        state->editing = true;
}

static void press_pause(struct top_state *state) {
        state->paused = !state->paused;
        state->ask |= !state->paused;
}

static void press_loopback(struct top_state *state) {
        top_model_set_loopback(&state->model, !state->model.without_loopback);
        state->ask = true;
}

static void press_bits(struct top_state *state) {
        state->units.bits = !state->units.bits;
}

static void press_binary(struct top_state *state) {
        state->units.binary = !state->units.binary;
}

static void press_repaint(struct top_state *state) {
        state->repaint = true;
}

static void press_help(struct top_state *state) {
        bool leave = state->pane == TOP_HELP;

        leave_pane(state);
        state->pane = leave ? TOP_TABLE : TOP_HELP;
}

static void press_quit(struct top_state *state) {
        if (state->pane == TOP_TABLE)
                state->quit = true;
        else
                leave_pane(state);
}

/* One line each: tests/manual.py reads the names here. Ctrl-C comes as a signal. */
/* clang-format off */
const struct top_key top_keys[] = {
        {"?, h, F1", "? help", "this help", press_help, {'?', 'h', TOP_FUNCTION_KEY(KEY_F(1))}},
        {"Up, k", NULL, "the row above", press_up, {TOP_FUNCTION_KEY(KEY_UP), 'k'}},
        {"Down, j", NULL, "the row below", press_down, {TOP_FUNCTION_KEY(KEY_DOWN), 'j'}},
        {"PgUp", NULL, "a screen up", press_page_up, {TOP_FUNCTION_KEY(KEY_PPAGE), CONTROL('B')}},
        {"PgDn", NULL, "a screen down", press_page_down, {TOP_FUNCTION_KEY(KEY_NPAGE), CONTROL('F')}},
        {"Home", NULL, "the first row, whichever it is", press_home, {TOP_FUNCTION_KEY(KEY_HOME)}},
        {"End", NULL, "the last row", press_end, {TOP_FUNCTION_KEY(KEY_END)}},
        {"Enter", "Enter details", "details of a process, and back", press_enter, {'\r', '\n', TOP_FUNCTION_KEY(KEY_ENTER)}},
        {"t", NULL, "most traffic in both directions first", press_total, {'t'}},
        {"i", NULL, "most incoming first", press_in, {'i'}},
        {"o", NULL, "most outgoing first", press_out, {'o'}},
        {"n", NULL, "by name", press_name, {'n'}},
        {"s", "s sort", "the next of these four", press_sort, {'s'}},
        {"g", "g group", "by process, app, unit or user: the next one", press_group, {'g'}},
        {"/", "/ filter", "only rows with a text: Enter keeps it, Esc drops it", press_filter, {'/'}},
        {"Esc", NULL, "back to the table; there, drop the filter", press_escape, {ESCAPE}},
        {"p, Space", "p pause", "stay as it is, and go on", press_pause, {'p', ' '}},
        {"l", NULL, "with what went over loopback or without", press_loopback, {'l'}},
        {"b", NULL, "bytes or bits", press_bits, {'b'}},
        {"B", NULL, "to the base of 1000 or 1024", press_binary, {'B'}},
        {"Ctrl-L", NULL, "paint the screen anew", press_repaint, {CONTROL('L')}},
        {"q, F10, Ctrl-C", "q quit", "quit; the first two go back to the table first", press_quit, {'q', TOP_FUNCTION_KEY(KEY_F(10))}},
        {},
};
/* clang-format on */

/* --- a filter that is being typed -----------------------------------------------------------------------
 */

static void erase_character(char *text) {
        size_t n = strlen(text);

        while (n > 0 &&
               ((unsigned char) text[n - 1] & 0xc0) == 0x80) /* what follows the first byte of UTF-8 */
                n--;
        text[n > 0 ? n - 1 : 0] = '\0';
}

static void add_character(char *text, size_t size, int key) {
        char bytes[MB_LEN_MAX];
        mbstate_t conversion = {};
        size_t n;

        if (key < ' ' || !iswprint((wint_t) key))
                return;
        n = wcrtomb(bytes, (wchar_t) key, &conversion);
        if (n == (size_t) -1 || strlen(text) + n >= size)
                return;
        strncat(text, bytes, n);
}

static void edit(struct top_state *state, int key) {
        char text[sizeof(state->model.filter)];

        strcpy(text, state->model.filter);
        if (key == ESCAPE || key == CONTROL('U'))
                *text = '\0';
        else if (key == DELETE || key == CONTROL('H') || key == TOP_FUNCTION_KEY(KEY_BACKSPACE))
                erase_character(text);
        else
                add_character(text, sizeof(text), key);
        if (key == ESCAPE || key == '\r' || key == '\n' || key == TOP_FUNCTION_KEY(KEY_ENTER))
                state->editing = false;
        if (strcmp(text, state->model.filter) != 0)
                top_model_set_filter(&state->model, text);
}

void top_keys_press(struct top_state *state, int key) {
        state->message[0] = '\0';
        if (state->editing) {
                edit(state, key);
                return;
        }
        for (const struct top_key *one = top_keys; one->names; one++)
                for (size_t i = 0; i < ELEMENTSOF(one->codes) && one->codes[i] != 0; i++)
                        if (one->codes[i] == key) {
                                one->press(state);
                                return;
                        }
}
