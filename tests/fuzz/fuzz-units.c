/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "dbus/units.h"
#include "format_units.h"
#include "source/addresses.h"
#include "source/pattern.h"
#include "support.h"
#include "util/utf8.h"

/* What people write: spans, sizes, addresses, patterns of devices; and names, which may hold any bytes. */

static void read_span(const char *text) {
        char written[UNITS_TEXT_MAX];
        uint64_t usec, again;
        int r;

        r = parse_span(text, &usec);
        expect(r == 0 || r == -EINVAL || r == -ERANGE);
        if (r < 0)
                return;
        units_format_span(usec, written);
        expect(parse_span(written, &again) == 0 && again == usec);
}

static void read_size(const char *text) {
        char written[UNITS_TEXT_MAX];
        uint64_t bytes, again;
        int r;

        r = parse_size(text, &bytes);
        expect(r == 0 || r == -EINVAL || r == -ERANGE);
        if (r < 0)
                return;
        units_format_size(bytes, written);
        expect(parse_size(written, &again) == 0 && again == bytes);
}

/* For people only: nothing reads it again. */
static void show_number(const char *text) {
        char shown[UNITS_MAX];
        uint64_t number = 0;

        memcpy(&number, text, strnlen(text, sizeof(number)));
        expect(strlen(format_bytes(number, shown)) <= 9);
        expect(strlen(format_rate(number, shown)) <= 11);
        expect(strlen(format_span(number, shown)) < sizeof(shown));
}

static void read_address(const char *text) {
        const char *const texts[] = {text, NULL};
        struct source_error error = {};
        struct addresses addresses;

        if (addresses_parse(texts, &addresses, &error) == 0)
                expect(addresses.n == 1 && addresses.each[0].bits <= 128 &&
                       addresses_have(&addresses, &addresses.each[0].address));
        else
                expect(error.text[0] != '\0');
}

static void read_pattern(const char *text) {
        const char *const patterns[] = {text, NULL};
        struct source_error error = {};

        if (patterns_check(patterns, &error) == 0)
                (void) patterns_match(patterns, "enp0s31f6.4094");
        else
                expect(error.text[0] != '\0');
}

static void read_name(const char *text) {
        char *valid = strdup(text), *again;

        expect(valid);
        utf8_make_valid(valid);
        again = strdup(valid);
        expect(again && strlen(valid) == strlen(text));
        utf8_make_valid(again);
        expect(strcmp(valid, again) == 0);
        free(valid);
        free(again);
}

/* One byte says what it is. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static void (*const readers[])(const char *) = {read_span,    read_size,    show_number,
                                                         read_address, read_pattern, read_name};
        char *text;

        if (size < 1)
                return 0;
        text = strndup((const char *) data + 1, size - 1);
        expect(text);
        readers[(data[0] & 0x0f) % ELEMENTSOF(readers)](text);
        free(text);
        return 0;
}
