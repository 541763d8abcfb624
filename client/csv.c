/* SPDX-License-Identifier: MIT */
#include "csv.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "dbus/org.netflowd1.h"
#include "escape.h"
#include "json_message.h"
#include "util.h"

static bool needs_quotes(const char *text) {
        for (const unsigned char *c = (const unsigned char *) text; *c; c++)
                if (*c < 0x20 || *c == 0x7f || *c == '"' || *c == ',')
                        return true;
        /* a blank at either end is a part of the field, which not every reader believes without */
        return *text == ' ' || (*text && text[strlen(text) - 1] == ' ');
}

void csv_print_field(const struct output *output, const char *text) {
        _cleanup_free_ char *escaped = output->terminal ? escape_text(text) : NULL;

        if (output->terminal)
                text = escaped ?: "?"; /* no memory to make it fit for one */
        if (!needs_quotes(text)) {
                (void) fputs(text, stdout);
                return;
        }
        (void) putchar('"');
        for (; *text; text++) {
                if (*text == '"')
                        (void) putchar('"');
                (void) putchar(*text);
        }
        (void) putchar('"');
}

void csv_begin_row(const struct arguments *arguments) {
        if (arguments->watch > 0)
                printf("%" PRIi64 ",", (int64_t) time(NULL));
}

void csv_print_names(const struct output *output, const struct arguments *arguments,
                     const char *const *columns, size_t n) {
        if (arguments->no_legend || output->turn > 0)
                return;
        if (arguments->watch > 0)
                printf("%s,", NETFLOWD_KEY_TIMESTAMP);
        for (size_t i = 0; i < n; i++)
                printf("%s%s", i > 0 ? "," : "", columns[i]);
        (void) putchar('\n');
}

/* What the keys of a column lead to; NULL: nothing. */
static struct json_object *find(struct json_object *object, const char *column) {
        const char *dot = strchr(column, '.');
        struct json_object *value = NULL;
        char key[64];

        if (!dot) {
                (void) json_object_object_get_ex(object, column, &value);
                return value;
        }
        (void) snprintf(key, sizeof(key), "%.*s", (int) (dot - column), column);
        return json_object_object_get_ex(object, key, &value) ? find(value, dot + 1) : NULL;
}

static void print_row(const struct output *output, const struct arguments *arguments,
                      struct json_object *object, const char *const *columns, size_t n) {
        csv_begin_row(arguments);
        for (size_t i = 0; i < n; i++) {
                const char *text = json_object_get_string(find(object, columns[i]));

                if (i > 0)
                        (void) putchar(',');
                if (text)
                        csv_print_field(output, text);
        }
        (void) putchar('\n');
}

void csv_print(const struct output *output, const struct arguments *arguments, struct json_object *array,
               const char *const *columns, size_t n) {
        size_t rows = array ? json_array_size(array) : 0;

        csv_print_names(output, arguments, columns, n);
        for (size_t i = 0; i < rows; i++)
                print_row(output, arguments, json_object_array_get_idx(array, i), columns, n);
}
