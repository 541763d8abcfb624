/* SPDX-License-Identifier: MIT */
#include "top_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "util.h"

#define COMBINING_MAX 3

char *top_amount(uint64_t bytes, struct top_units units, char text[static TOP_AMOUNT_MAX]) {
        static const char *const prefixes[2][7] = {{"", "k", "M", "G", "T", "P", "E"},
                                                   {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"}};
        uint64_t base = units.binary ? 1024 : 1000, unit = 1, tenths, whole, amount = bytes;
        const char *name = units.bits ? "b" : "B";
        size_t i = 0;

        if (units.bits)
                amount = bytes > UINT64_MAX / 8 ? UINT64_MAX : bytes * 8;
        /* the unit in which what is shown has three digits at the most */
        while (i + 1 < ELEMENTSOF(prefixes[0]) &&
               amount / unit + (unit > 1 && amount % unit >= unit / 2) >= 1000) {
                unit *= base;
                i++;
        }
        whole = amount / unit + (unit > 1 && amount % unit >= unit / 2);
        tenths = amount / unit * 10 + (amount % unit * 10 + unit / 2) / unit;
        if (unit > 1 && tenths < 100)
                (void) snprintf(text, TOP_AMOUNT_MAX, "%" PRIu64 ".%" PRIu64 " %s%s", tenths / 10,
                                tenths % 10, prefixes[units.binary][i], name);
        else
                (void) snprintf(text, TOP_AMOUNT_MAX, "%" PRIu64 " %s%s", whole, prefixes[units.binary][i],
                                name);
        return text;
}

char *top_fit(const char *text, size_t columns, char *ret_text) {
        _cleanup_free_ char *escaped = escape_text(text);
        int combining = COMBINING_MAX; /* none before there is a character to combine with */
        size_t used = 0, n = 0, length;

        for (const char *from = escaped; from && *from; from += length) {
                int width;

                length = escape_character(from, strlen(from), &width);
                if (width == 0) {
                        /* 8 bytes a column are one of four and a combining one: what goes beyond is left out
                         */
                        if (combining++ >= COMBINING_MAX || n + length + (columns - used) * 4 > columns * 8)
                                continue;
                } else
                        combining = 0;
                if (used + (size_t) width > columns)
                        break;
                memcpy(ret_text + n, from, length);
                n += length;
                used += (size_t) width;
        }
        memset(ret_text + n, ' ', columns - used);
        ret_text[n + columns - used] = '\0';
        return ret_text;
}

char *top_graph(const uint64_t *values, size_t n, size_t columns, bool utf8, char *ret_text) {
        static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
        static const char *const ascii[] = {" ", ".", ":", "-", "=", "+", "*", "#", "@"};
        size_t each = columns > 0 ? n / columns : 0;
        uint64_t most = 0;
        char *end = ret_text;

        for (int draw = 0; draw < 2; draw++)
                for (size_t i = 0; i < columns; i++) {
                        uint64_t sum = 0;
                        size_t level;

                        for (size_t j = 0; j < each; j++)
                                sum += values[i * each + j];
                        if (draw == 0) {
                                most = sum > most ? sum : most;
                                continue;
                        }
                        level = sum == 0 ? 0 : 1 + (size_t) ((double) sum / (double) most * 7.0);
                        end = stpcpy(end, utf8 ? blocks[level] : ascii[level]);
                }
        *end = '\0';
        return ret_text;
}
