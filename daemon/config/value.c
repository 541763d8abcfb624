/* SPDX-License-Identifier: MIT */
#include "config/value.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "dbus/units.h"
#include "util/log.h"
#include "util/macros.h"
#include "util/parse.h"

static int read_number(void *field, const char *text, const struct value_range *range) {
        return parse_u32(text, (uint32_t) range->min, (uint32_t) range->max, field);
}

static void write_number(const void *field, FILE *out) {
        (void) fprintf(out, "%" PRIu32, *(const uint32_t *) field);
}

static bool equal_number(const void *a, const void *b) {
        return *(const uint32_t *) a == *(const uint32_t *) b;
}

static void clear_number(void *field) {
        *(uint32_t *) field = 0;
}

static void describe_number(const struct value_range *range, char *text, size_t size) {
        (void) snprintf(text, size, "%" PRIu64 "..%" PRIu64, range->min, range->max);
}

const struct value_type value_number = {
        .size = sizeof(uint32_t),
        .what = "a whole number",
        .read = read_number,
        .write = write_number,
        .equal = equal_number,
        .clear = clear_number,
        .describe = describe_number,
};

static int read_in_range(int r, uint64_t value, const struct value_range *range, uint64_t *field) {
        if (r < 0)
                return r;
        if (value < range->min || value > range->max)
                return -ERANGE;
        *field = value;
        return 0;
}

static bool equal_u64(const void *a, const void *b) {
        return *(const uint64_t *) a == *(const uint64_t *) b;
}

static void clear_u64(void *field) {
        *(uint64_t *) field = 0;
}

static int read_span(void *field, const char *text, const struct value_range *range) {
        uint64_t value = 0;
        int r = parse_span(text, &value);

        return read_in_range(r, value, range, field);
}

static void write_span(const void *field, FILE *out) {
        char text[UNITS_TEXT_MAX];

        units_format_span(*(const uint64_t *) field, text);
        (void) fputs(text, out);
}

static void describe_span(const struct value_range *range, char *text, size_t size) {
        char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];

        units_format_span(range->min, min);
        units_format_span(range->max, max);
        (void) snprintf(text, size, "%s..%s", min, max);
}

const struct value_type value_span = {
        .size = sizeof(uint64_t),
        .what = "a span of time such as 1min 30s",
        .read = read_span,
        .write = write_span,
        .equal = equal_u64,
        .clear = clear_u64,
        .describe = describe_span,
};

static int read_size(void *field, const char *text, const struct value_range *range) {
        uint64_t value = 0;
        int r = parse_size(text, &value);

        return read_in_range(r, value, range, field);
}

static void write_size(const void *field, FILE *out) {
        char text[UNITS_TEXT_MAX];

        units_format_size(*(const uint64_t *) field, text);
        (void) fputs(text, out);
}

static void describe_size(const struct value_range *range, char *text, size_t size) {
        char min[UNITS_TEXT_MAX], max[UNITS_TEXT_MAX];

        units_format_size(range->min, min);
        units_format_size(range->max, max);
        (void) snprintf(text, size, "%s..%s", min, max);
}

const struct value_type value_size = {
        .size = sizeof(uint64_t),
        .what = "a size such as 64M",
        .read = read_size,
        .write = write_size,
        .equal = equal_u64,
        .clear = clear_u64,
        .describe = describe_size,
};

static int read_word(void *field, const char *text, const struct value_range *range) {
        for (const char *const *word = range->words; *word; word++)
                if (strcmp(*word, text) == 0) {
                        *(const char **) field = *word;
                        return 0;
                }
        return -EINVAL;
}

static void write_word(const void *field, FILE *out) {
        (void) fputs(*(const char *const *) field, out);
}

static bool equal_word(const void *a, const void *b) {
        return *(const char *const *) a == *(const char *const *) b;
}

static void clear_word(void *field) {
        *(const char **) field = NULL;
}

static void describe_words(const struct value_range *range, char *text, size_t size) {
        size_t length = 0;

        for (const char *const *word = range->words; *word && length < size; word++)
                length += (size_t) snprintf(text + length, size - length, "%s%s", length > 0 ? "|" : "",
                                            *word);
}

const struct value_type value_word = {
        .size = sizeof(const char *),
        .read = read_word,
        .write = write_word,
        .equal = equal_word,
        .clear = clear_word,
        .describe = describe_words,
};

static int read_level(void *field, const char *text, const struct value_range *range) {
        int level = log_level_from_name(text);

        (void) range;
        if (level < 0)
                return level;
        *(int *) field = level;
        return 0;
}

static void write_level(const void *field, FILE *out) {
        (void) fputs(log_level_name(*(const int *) field), out);
}

static bool equal_level(const void *a, const void *b) {
        return *(const int *) a == *(const int *) b;
}

static void clear_level(void *field) {
        *(int *) field = 0;
}

const struct value_type value_level = {
        .size = sizeof(int),
        .what = "emerg, alert, crit, err, warning, notice, info, debug or 0..7",
        .read = read_level,
        .write = write_level,
        .equal = equal_level,
        .clear = clear_level,
};
