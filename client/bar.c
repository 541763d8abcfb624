/* SPDX-License-Identifier: MIT */
#include "bar.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "escape.h"
#include "format_units.h"
#include "dbus/json_text.h"
#include "json_message.h"
#include "process_row.h"
#include "util.h"

/* From this rate on the class is "busy": what rank shows in red. */
#define BUSY_RATE 1000000u

#define RATES_MAX (2 * UNITS_MAX + 8)

/* "↓4.2 MB/s ↑410 B/s": in and out as a bar has place for. Returns text. */
static char *format_rates(uint64_t in, uint64_t out, char text[RATES_MAX]) {
        char in_text[UNITS_MAX], out_text[UNITS_MAX];

        (void) snprintf(text, RATES_MAX, "↓%s ↑%s", format_rate(in, in_text), format_rate(out, out_text));
        return text;
}

/* A name in Pango markup, where these five mean something. */
static void put_markup(FILE *out, const char *text) {
        static const struct {
                char character;
                const char *entity;
        } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

        for (; *text; text++) {
                const char *entity = NULL;

                for (size_t i = 0; i < ELEMENTSOF(entities); i++)
                        if (*text == entities[i].character)
                                entity = entities[i].entity;
                if (entity)
                        (void) fputs(entity, out);
                else
                        (void) fputc(*text, out);
        }
}

static void put_process(FILE *out, const struct process_row *row) {
        char title[64], rates[RATES_MAX];
        _cleanup_free_ char *shown = escape_text(process_row_title(row, title));

        put_markup(out, shown ? shown : "");
        (void) fprintf(out, "  %s", format_rates(row->in_rate, row->out_rate, rates));
}

/* What of the processes moves now: a line each, and the sum. Returns a text to be freed; NULL: out of
 * memory. */
static char *tooltip_of(struct json_object *processes, uint64_t *ret_in, uint64_t *ret_out) {
        char *text = NULL;
        uint64_t in = 0, out = 0;
        size_t size, lines = 0;
        FILE *stream = open_memstream(&text, &size);

        if (!stream)
                return NULL;
        for (size_t i = 0; i < json_array_size(processes); i++) {
                struct process_row row;

                process_row_read(json_object_array_get_idx(processes, i), &row);
                if (row.in_rate == 0 && row.out_rate == 0)
                        continue;
                if (lines++ > 0)
                        (void) fputc('\n', stream);
                put_process(stream, &row);
                in += row.in_rate;
                out += row.out_rate;
        }
        if (fclose(stream) != 0) {
                free(text);
                return NULL;
        }
        *ret_in = in;
        *ret_out = out;
        return text;
}

static const char *class_of(uint64_t rate) {
        return rate == 0 ? "idle" : rate < BUSY_RATE ? "active" : "busy";
}

static void print_waybar(const char *text, const char *tooltip, const char *class) {
        (void) fputs("{\"text\":", stdout);
        json_write_text(stdout, text);
        (void) fputs(",\"tooltip\":", stdout);
        json_write_text(stdout, tooltip);
        (void) printf(",\"class\":\"%s\"}\n", class);
}

void bar_print(const char *format, struct json_object *processes) {
        bool is_waybar = strcmp(format, BAR_FORMAT_WAYBAR) == 0;
        _cleanup_free_ char *tooltip = NULL;
        char text[RATES_MAX] = "–";
        const char *class = "disconnected";
        uint64_t in, out;

        if (processes) {
                tooltip = tooltip_of(processes, &in, &out);
                if (!tooltip) {
                        (void) fail("out of memory");
                        return;
                }
                (void) format_rates(in, out, text);
                class = class_of(in + out);
        }
        if (is_waybar)
                print_waybar(text, tooltip ? tooltip : "netflowd is not running", class);
        else
                (void) puts(text);
}
