/* SPDX-License-Identifier: MIT */
#include "top_screen.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <langinfo.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "top_keys.h"
#include "top_layout.h"
#include "top_panes.h"
#include "top_terminal.h"
#include "util.h"

/* So long a sequence that an arrow sends may take on its way, over a slow line too, until Esc is a key by
 * itself. */
#define ESCAPE_DELAY_MSEC 100

enum { COLOUR_BUSY = 1, COLOUR_ALARM };

struct top_screen {
        SCREEN *terminal;
        bool blocks, colour;
        attr_t inks[TOP_INK_MAX];
};

static void choose_inks(struct top_screen *screen) {
        attr_t busy = A_BOLD, alarm = A_REVERSE;

        if (screen->colour && start_color() == OK && use_default_colors() == OK) {
                (void) init_pair(COLOUR_BUSY, COLOR_RED, -1);
                (void) init_pair(COLOUR_ALARM, COLOR_WHITE, COLOR_RED);
                busy = COLOR_PAIR(COLOUR_BUSY);
                alarm = COLOR_PAIR(COLOUR_ALARM) | A_BOLD;
        }
        memcpy(screen->inks,
               (const attr_t[TOP_INK_MAX]){[TOP_PLAIN] = A_NORMAL,
                                           [TOP_BOLD] = A_BOLD,
                                           [TOP_DIM] = A_DIM,
                                           [TOP_BUSY] = busy,
                                           [TOP_HEADINGS] = A_REVERSE,
                                           [TOP_SELECTED] = A_STANDOUT,
                                           [TOP_ALARM] = alarm},
               sizeof(screen->inks));
}

int top_screen_new(bool colour, struct top_screen **ret_screen) {
        struct top_screen *screen = calloc(1, sizeof(*screen));

        if (!screen)
                return fail("out of memory");
        (void) set_escdelay(ESCAPE_DELAY_MSEC);
        screen->terminal = newterm(NULL, stdout, stdin); /* not initscr(), which exits where it fails */
        if (!screen->terminal) {
                free(screen);
                return fail("cannot take over the terminal");
        }
        screen->blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0 && top_terminal_has_blocks();
        screen->colour = colour && has_colors();
        choose_inks(screen);
        (void) cbreak(); /* Ctrl-C and Ctrl-Z stay signals */
        (void) noecho();
        (void) nonl();
        (void) keypad(stdscr, true);
        (void) nodelay(stdscr, true);
        (void) curs_set(0);
        *ret_screen = screen;
        return 0;
}

void top_screen_free(struct top_screen *screen) {
        if (!screen)
                return;
        (void) endwin();
        delscreen(screen->terminal);
        free(screen);
}

void top_screen_resize(struct top_screen *screen) {
        struct winsize size;

        (void) screen;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
                (void) resizeterm(size.ws_row, size.ws_col);
        (void) clearok(curscr, true);
}

void top_screen_repaint(struct top_screen *screen) {
        (void) screen;
        (void) reset_prog_mode();
        (void) clearok(curscr, true);
}

static void write_line(void *userdata, size_t line, enum top_ink ink, const char *text) {
        struct top_screen *screen = userdata;

        (void) attrset((int) screen->inks[ink]);
        (void) mvaddstr((int) line, 0, text);
        (void) attrset(A_NORMAL);
}

void top_screen_draw(struct top_screen *screen, struct top_state *state) {
        struct top_paper paper = {.write = write_line,
                                  .userdata = screen,
                                  .columns = (size_t) getmaxx(stdscr),
                                  .lines = (size_t) getmaxy(stdscr),
                                  .blocks = screen->blocks};

        (void) erase();
        if (paper.columns < TOP_COLUMNS_MIN || paper.lines < TOP_LINES_MIN) {
                top_write(&paper, 0, TOP_BOLD, "terminal too small");
                top_write(&paper, 1, TOP_PLAIN, "%dx%d it takes", TOP_COLUMNS_MIN, TOP_LINES_MIN);
        } else {
                top_write_header(&paper, state);
                top_write_pane(&paper, state, TOP_HEADER_LINES, paper.lines - 1);
                top_write_footer(&paper, state, paper.lines - 1);
        }
        (void) refresh();
}

bool top_screen_read_key(struct top_screen *screen, int *ret_key) {
        wint_t key;
        int r = get_wch(&key);

        (void) screen;
        if (r == ERR)
                return false;
        *ret_key = r == KEY_CODE_YES ? TOP_FUNCTION_KEY((int) key) : (int) key;
        return true;
}
