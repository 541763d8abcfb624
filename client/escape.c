/* SPDX-License-Identifier: MIT */
#include "escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "util.h"

/* Marks and controls of Unicode's bidirectional algorithm (UAX 9), and its line and paragraph separators:
 * each is printable to the C library, and has a terminal show another order or another line than there is.
 */
static bool is_layout(uint32_t character) {
        return character == 0x061c || character == 0x200e || character == 0x200f ||
               (character >= 0x2028 && character <= 0x202e) || (character >= 0x2066 && character <= 0x2069);
}

/* C0, DEL and C1: terminals take U+009B for the beginning of a sequence, as they do ESC [. */
static bool is_control(uint32_t character) {
        return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

char *escape_text(const char *text) {
        size_t left = strlen(text);
        char *escaped = malloc(4 * left + 1), *to = escaped; /* each byte may become four */
        mbstate_t state = {};

        while (escaped && left > 0) {
                wchar_t character;
                size_t n = mbrtowc(&character, text, left, &state);
                bool is_valid = n <= left && n > 0; /* else it is (size_t) -1 or -2 */

                if (!is_valid) {
                        n = 1;
                        state = (mbstate_t){};
                }
                if (is_valid && !is_control((uint32_t) character) && !is_layout((uint32_t) character) &&
                    iswprint((wint_t) character))
                        to = mempcpy(to, text, n);
                else
                        for (size_t i = 0; i < n; i++)
                                to += sprintf(to, "\\x%02x", (unsigned char) text[i]);
                text += n;
                left -= n;
        }
        if (escaped)
                *to = '\0';
        return escaped;
}

size_t escape_character(const char *text, size_t left, int *ret_columns) {
        mbstate_t state = {};
        wchar_t character;
        size_t n = mbrtowc(&character, text, left, &state);

        *ret_columns = 1;
        if (n > left || n == 0)
                return 1;
        *ret_columns = wcwidth(character) > 0 ? wcwidth(character) : 0;
        return n;
}

size_t escape_width(const char *escaped) {
        size_t width = 0, left = strlen(escaped);

        while (left > 0) {
                int columns;
                size_t n = escape_character(escaped, left, &columns);

                width += (size_t) columns;
                escaped += n;
                left -= n;
        }
        return width;
}
