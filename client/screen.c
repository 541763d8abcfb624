/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "escape.h"
#include "util.h"

/* console_codes(4) */
#define ERASE_LINE   "\033[K"
#define ERASE_BELOW  "\033[J"
#define ERASE_SCREEN "\033[H\033[2J"

bool screen_is_there(void) {
        const char *term = getenv("TERM");

        return isatty(STDOUT_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

void screen_resize(struct screen *screen) {
        struct winsize size = {};

        (void) ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        screen->rows = size.ws_row > 0 ? size.ws_row : 24; /* a serial line does not know */
        screen->columns = size.ws_col > 0 ? size.ws_col : 80;
        screen->moved = screen->painted > 0;
}

void screen_leave(struct screen *screen) {
        screen->painted = 0;
}

/* The length of the colour that begins there; 0: none. */
static size_t colour_length(const char *text) {
        size_t n;

        if (strncmp(text, "\033[", 2) != 0)
                return 0;
        n = 2 + strspn(text + 2, "0123456789;");
        return text[n] == 'm' ? n + 1 : 0;
}

/* One line, as much as there is place for; colours are kept behind it too: one may end there. */
static void write_line(FILE *out, const char *line, size_t length, unsigned columns) {
        const char *end = line + length;
        unsigned used = 0;
        bool full = false;

        while (line < end) {
                size_t n = colour_length(line);
                int width = 0;

                if (n == 0) {
                        n = escape_character(line, (size_t) (end - line), &width);
                        full = full || used + (unsigned) width > columns;
                        used += full ? 0 : (unsigned) width;
                }
                if (width == 0 || !full)
                        (void) fwrite(line, 1, n, out);
                line += n;
        }
        /* with the cursor still on the last column that would erase what is there */
        if (used < columns)
                (void) fputs(ERASE_LINE, out);
        (void) fputc('\n', out);
}

static unsigned count_lines(const char *text) {
        unsigned n = 0;

        for (const char *c = text; *c; c++)
                n += *c == '\n';
        return n;
}

char *screen_paint(struct screen *screen, const char *text, size_t *ret_size) {
        unsigned lines = count_lines(text), place = screen->rows > 1 ? screen->rows - 1 : 1, shown;
        char *bytes = NULL;
        FILE *out = open_memstream(&bytes, ret_size);

        if (!out)
                return NULL;
        if (screen->moved)
                (void) fputs(ERASE_SCREEN, out);
        else if (screen->painted > 0)
                (void) fprintf(out, "\r\033[%uA", screen->painted);
        shown = lines <= place ? lines : place - 1;
        for (unsigned i = 0; i < shown; i++) {
                size_t length = strcspn(text, "\n");

                write_line(out, text, length, screen->columns);
                text += length + 1;
        }
        if (shown < lines)
                (void) fprintf(out, "%u more" ERASE_LINE "\n", lines - shown);
        (void) fputs(ERASE_BELOW, out);
        screen->painted = shown + (shown < lines);
        screen->moved = false;
        if (fclose(out) != 0) {
                free(bytes);
                return NULL;
        }
        return bytes;
}
