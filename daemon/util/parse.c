/* SPDX-License-Identifier: MIT */
#include "util/parse.h"

#include <errno.h>
#include <string.h>

int parse_u64_prefix(const char *text, size_t length, uint64_t *ret_value) {
        uint64_t value = 0;
        size_t i;

        for (i = 0; i < length && text[i] >= '0' && text[i] <= '9'; i++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t) (text[i] - '0'), &value))
                        return -ERANGE;
        if (i == 0)
                return -EINVAL;

        *ret_value = value;
        return (int) i;
}

int parse_u64(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value) {
        size_t length = strlen(text);
        uint64_t value;
        int r;

        r = parse_u64_prefix(text, length, &value);
        if (r == -ERANGE && strspn(text, "0123456789") != length)
                return -EINVAL;
        if (r < 0)
                return r;
        if ((size_t) r != length)
                return -EINVAL;
        if (value < min || value > max)
                return -ERANGE;

        *ret_value = value;
        return 0;
}

int parse_u32(const char *text, uint32_t min, uint32_t max, uint32_t *ret_value) {
        uint64_t value;
        int r;

        r = parse_u64(text, min, max, &value);
        if (r < 0)
                return r;

        *ret_value = (uint32_t) value;
        return 0;
}

int parse_stat_field(const char *text, size_t length, const char *name, uint64_t *ret_value) {
        const char *end = text + length, *line = text;
        size_t n = strlen(name);

        while (line < end) {
                const char *next = memchr(line, '\n', (size_t) (end - line));
                size_t left = (size_t) ((next ? next : end) - line);

                if (left > n && memcmp(line, name, n) == 0 && line[n] == ' ')
                        return parse_u64_prefix(line + n + 1, left - n - 1, ret_value) < 0 ? -EBADMSG : 0;
                line = next ? next + 1 : end;
        }
        return -ENODATA;
}
