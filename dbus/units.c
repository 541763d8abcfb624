/* SPDX-License-Identifier: MIT */
#include "dbus/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

#define BLANKS "\t\n\r "

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC  UINT64_C(1000000)
#define MINUTE_USEC (60 * USEC_PER_SEC)
#define HOUR_USEC   (60 * MINUTE_USEC)
#define DAY_USEC    (24 * HOUR_USEC)
#define WEEK_USEC   (7 * DAY_USEC)
#define MONTH_USEC  (2629800 * USEC_PER_SEC)  /* 30.4375 days, as systemd.time(7) has it */
#define YEAR_USEC   (31557600 * USEC_PER_SEC) /* 365.25 days */

struct unit {
        const char *name;
        uint64_t size;
};

static const struct unit span_units[] = {
        {"us", 1},
        {"usec", 1},
        {"µs", 1}, /* U+00B5, the sign for micro */
        {"μs", 1}, /* U+03BC, the Greek letter */
        {"ms", USEC_PER_MSEC},
        {"msec", USEC_PER_MSEC},
        {"s", USEC_PER_SEC},
        {"sec", USEC_PER_SEC},
        {"second", USEC_PER_SEC},
        {"seconds", USEC_PER_SEC},
        {"m", MINUTE_USEC},
        {"min", MINUTE_USEC},
        {"minute", MINUTE_USEC},
        {"minutes", MINUTE_USEC},
        {"h", HOUR_USEC},
        {"hr", HOUR_USEC},
        {"hour", HOUR_USEC},
        {"hours", HOUR_USEC},
        {"d", DAY_USEC},
        {"day", DAY_USEC},
        {"days", DAY_USEC},
        {"w", WEEK_USEC},
        {"week", WEEK_USEC},
        {"weeks", WEEK_USEC},
        {"M", MONTH_USEC}, /* not m, which is a minute */
        {"month", MONTH_USEC},
        {"months", MONTH_USEC},
        {"y", YEAR_USEC},
        {"year", YEAR_USEC},
        {"years", YEAR_USEC},
};

static const struct unit size_units[] = {
        {"", 1},
        {"B", 1},
        {"K", UINT64_C(1) << 10},
        {"M", UINT64_C(1) << 20},
        {"G", UINT64_C(1) << 30},
        {"T", UINT64_C(1) << 40},
};

static const struct unit *find_unit(const struct unit *units, size_t n, const char *name, size_t length) {
        for (size_t i = 0; i < n; i++)
                if (strlen(units[i].name) == length && memcmp(units[i].name, name, length) == 0)
                        return &units[i];
        return NULL;
}

/* Digits at the beginning of text. Returns how many, -EINVAL for none, -ERANGE for more than 64 bits. */
static int parse_number(const char *text, uint64_t *ret_number) {
        uint64_t number = 0;
        int n = 0;

        for (; text[n] >= '0' && text[n] <= '9'; n++)
                if (__builtin_mul_overflow(number, UINT64_C(10), &number) ||
                    __builtin_add_overflow(number, (uint64_t) (text[n] - '0'), &number))
                        return -ERANGE;
        if (n == 0)
                return -EINVAL;
        *ret_number = number;
        return n;
}

/* One number with its unit, such as "1.5 h"; *text moves behind it. `alone`: nothing came before it. */
static int parse_component(const char **text, bool alone, uint64_t *ret_usec) {
        static const struct unit seconds = {.size = USEC_PER_SEC};
        const char *c = *text, *fraction = NULL;
        const struct unit *unit;
        uint64_t value, digit;
        size_t length;
        int r;

        r = parse_number(c, &value);
        if (r < 0)
                return r;
        c += r;
        if (*c == '.') {
                fraction = ++c;
                c += strspn(c, "0123456789");
                if (c == fraction)
                        return -EINVAL;
        }
        c += strspn(c, BLANKS);
        length = strcspn(c, BLANKS ".0123456789");
        if (length == 0 && (!alone || *c != '\0'))
                return -EINVAL;
        unit = length == 0 ? &seconds : find_unit(span_units, ELEMENTSOF(span_units), c, length);
        if (!unit)
                return -EINVAL;
        c += length;

        if (__builtin_mul_overflow(value, unit->size, &value))
                return -ERANGE;
        /* what is finer than 1 µs is cut off */
        for (uint64_t place = unit->size / 10; fraction && *fraction >= '0' && *fraction <= '9'; place /= 10) {
                digit = (uint64_t) (*fraction++ - '0');
                if (__builtin_add_overflow(value, digit * place, &value))
                        return -ERANGE;
        }
        *text = c + strspn(c, BLANKS);
        *ret_usec = value;
        return 0;
}

int parse_span(const char *text, uint64_t *ret_usec) {
        const char *c = text + strspn(text, BLANKS);
        uint64_t sum = 0, usec;
        bool alone = true;
        int r;

        if (strncmp(c, "infinity", 8) == 0 && c[8 + strspn(c + 8, BLANKS)] == '\0') {
                *ret_usec = UNITS_INFINITY;
                return 0;
        }
        do {
                r = parse_component(&c, alone, &usec);
                if (r < 0)
                        return r;
                if (__builtin_add_overflow(sum, usec, &sum) || sum == UNITS_INFINITY)
                        return -ERANGE;
                alone = false;
        } while (*c);

        *ret_usec = sum;
        return 0;
}

int parse_size(const char *text, uint64_t *ret_bytes) {
        const struct unit *unit;
        uint64_t value;
        int r;

        if (strcmp(text, "infinity") == 0) {
                *ret_bytes = UNITS_INFINITY;
                return 0;
        }
        r = parse_number(text, &value);
        if (r < 0)
                return r;
        unit = find_unit(size_units, ELEMENTSOF(size_units), text + r, strlen(text + r));
        if (!unit)
                return -EINVAL;
        if (__builtin_mul_overflow(value, unit->size, &value) || value == UNITS_INFINITY)
                return -ERANGE;

        *ret_bytes = value;
        return 0;
}

void units_format_span(uint64_t usec, char text[static UNITS_TEXT_MAX]) {
        /* no months and years, which are no whole days */
        static const struct unit units[] = {
                {"w", WEEK_USEC},   {"d", DAY_USEC},       {"h", HOUR_USEC}, {"min", MINUTE_USEC},
                {"s", USEC_PER_SEC}, {"ms", USEC_PER_MSEC}, {"us", 1},
        };
        size_t length = 0;

        if (usec == UNITS_INFINITY) {
                strcpy(text, "infinity");
                return;
        }
        strcpy(text, "0");
        for (size_t i = 0; i < ELEMENTSOF(units); i++) {
                if (usec < units[i].size)
                        continue;
                length += (size_t) snprintf(text + length, UNITS_TEXT_MAX - length, "%s%" PRIu64 "%s",
                                            length > 0 ? " " : "", usec / units[i].size, units[i].name);
                usec %= units[i].size;
        }
}

void units_format_size(uint64_t bytes, char text[static UNITS_TEXT_MAX]) {
        const struct unit *unit = &size_units[0];

        if (bytes == UNITS_INFINITY) {
                strcpy(text, "infinity");
                return;
        }
        for (size_t i = 2; i < ELEMENTSOF(size_units) && bytes > 0 && bytes % size_units[i].size == 0; i++)
                unit = &size_units[i];
        (void) snprintf(text, UNITS_TEXT_MAX, "%" PRIu64 "%s", bytes / unit->size, unit->name);
}
