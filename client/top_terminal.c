/* SPDX-License-Identifier: MIT */
#include "top_terminal.h"

#define NCURSES_NOMACROS
#include <curses.h>
#include <string.h>
#include <term.h> /* whose macros are words such as `lines`: here only */
#include <unistd.h>

#include "util.h"

int top_terminal_check(void) {
        const char *name = getenv("TERM");
        const char *move;
        int error = 0;

        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                return fail("top needs a terminal: elsewhere there are rank --watch and monitor");
        if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
                return fail("top does not know the terminal %s: set TERM to what it is, such as xterm",
                            name && *name ? name : "without a name");
        move = tigetstr("cup");
        (void) del_curterm(cur_term);
        if (!move || move == (char *) -1)
                return fail("the terminal %s cannot do what top needs: use rank --watch", name ? name : "");
        return EXIT_SUCCESS;
}

bool top_terminal_has_blocks(void) {
        static const char *const without[] = {"linux", "vt", "ansi", "cons", "wsvt"};
        const char *name = getenv("TERM");

        for (size_t i = 0; name && i < ELEMENTSOF(without); i++)
                if (strncmp(name, without[i], strlen(without[i])) == 0)
                        return false;
        return true;
}
