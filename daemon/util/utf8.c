/* SPDX-License-Identifier: MIT */
#include "util/utf8.h"

#include <stddef.h>
#include <stdint.h>

/* Length of the valid character at text; 0: none. A NUL ends every sequence, so nothing behind it is read.
 */
static size_t character_length(const unsigned char *text) {
        static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
        uint32_t value;
        size_t length;

        if (text[0] < 0x80)
                return 1;
        if ((text[0] & 0xe0) == 0xc0)
                length = 2;
        else if ((text[0] & 0xf0) == 0xe0)
                length = 3;
        else if ((text[0] & 0xf8) == 0xf0)
                length = 4;
        else
                return 0;

        value = text[0] & (0x7fu >> length);
        for (size_t i = 1; i < length; i++) {
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
                value = value << 6 | (text[i] & 0x3fu);
        }
        if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
                return 0; /* too long, beyond Unicode, or half of a surrogate pair */
        return length;
}

void utf8_make_valid(char *text) {
        while (*text) {
                size_t length = character_length((const unsigned char *) text);

                if (length == 0)
                        *text = '?';
                text += length ?: 1;
        }
}
