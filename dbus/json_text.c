/* SPDX-License-Identifier: MIT */
#include "dbus/json_text.h"

#include <stdbool.h>
#include <stdint.h>

/* C0, DEL and C1; marks and controls of Unicode's bidirectional algorithm (UAX 9), and its line and paragraph
 * separators. */
static bool is_obeyed(uint32_t character) {
        return character < 0x20 || (character >= 0x7f && character < 0xa0) || character == 0x061c ||
               character == 0x200e || character == 0x200f || (character >= 0x2028 && character <= 0x202e) ||
               (character >= 0x2066 && character <= 0x2069);
}

/* The character of up to three bytes that begins there, and how many they are; 1 and a blank for any other byte, which
 * stays as it is. A NUL ends each sequence. */
static size_t read_character(const unsigned char *text, uint32_t *ret_character) {
        *ret_character = ' ';
        if (text[0] < 0x80) {
                *ret_character = text[0];
                return 1;
        }
        if ((text[0] & 0xe0) == 0xc0 && (text[1] & 0xc0) == 0x80) {
                *ret_character = (text[0] & 0x1fu) << 6 | (text[1] & 0x3fu);
                return 2;
        }
        if ((text[0] & 0xf0) == 0xe0 && (text[1] & 0xc0) == 0x80 && (text[2] & 0xc0) == 0x80) {
                *ret_character = (text[0] & 0x0fu) << 12 | (text[1] & 0x3fu) << 6 | (text[2] & 0x3fu);
                return 3;
        }
        return 1;
}

void json_write_text(FILE *file, const char *text) {
        const unsigned char *c = (const unsigned char *) text;

        (void) fputc('"', file);
        while (*c) {
                uint32_t character;
                size_t length = read_character(c, &character);

                if (*c == '\n' || *c == '\t')
                        (void) fputs(*c == '\n' ? "\\n" : "\\t", file);
                else if (is_obeyed(character))
                        (void) fprintf(file, "\\u%04x", character);
                else if (*c == '"' || *c == '\\')
                        (void) fprintf(file, "\\%c", *c);
                else
                        (void) fwrite(c, 1, length, file);
                c += length;
        }
        (void) fputc('"', file);
}
