/* SPDX-License-Identifier: MIT */
#include "message_builder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "support.h"

#define DEPTH_MAX    10
#define ELEMENTS_MAX 6
#define TEXT_MAX     64
#define TYPES_MAX    64

struct builder {
        sd_bus_message *message;
        struct fuzz_input *input;
        const struct fuzz_words *words;
        int depth;
};

uint64_t fuzz_number(struct fuzz_input *input, size_t bytes) {
        uint64_t number = 0;

        for (size_t i = 0; i < bytes && input->size > 0; i++) {
                number |= (uint64_t) *input->data++ << 8 * i;
                input->size--;
        }
        return number;
}

/* A word, or up to TEXT_MAX bytes of the input: sd-bus takes valid UTF-8 only. */
static const char *take_text(struct builder *builder, char text[TEXT_MAX]) {
        size_t choice = fuzz_number(builder->input, 1), length = choice % TEXT_MAX;

        if (choice < builder->words->n)
                return builder->words->words[choice];
        for (size_t i = 0; i < length; i++)
                text[i] = (char) (fuzz_number(builder->input, 1) & 0x7f); /* a NUL ends it */
        text[length] = '\0';
        return text;
}

static int append_number(struct builder *builder, char type, size_t bytes) {
        uint64_t number = fuzz_number(builder->input, bytes);

        return sd_bus_message_append_basic(builder->message, type, &number); /* little-endian, or other numbers */
}

static int append_text(struct builder *builder) {
        char text[TEXT_MAX];

        return sd_bus_message_append_basic(builder->message, 's', take_text(builder, text));
}

static int append_descriptor(struct builder *builder) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC), r;

        expect(fd >= 0);
        r = sd_bus_message_append_basic(builder->message, 'h', &fd);
        close(fd);
        return r;
}

static int append_basic(struct builder *builder, char type) {
        switch (type) {
        case 's':
                return append_text(builder);
        case 'o':
                return sd_bus_message_append_basic(builder->message, type, "/org/netflowd1");
        case 'g':
                return sd_bus_message_append_basic(builder->message, type, "a{sv}");
        case 'h':
                return append_descriptor(builder);
        case 'y':
                return append_number(builder, type, 1);
        case 'n':
        case 'q':
                return append_number(builder, type, 2);
        case 'b':
        case 'i':
        case 'u':
                return append_number(builder, type, 4);
        default:
                return append_number(builder, type, 8);
        }
}

/* How long the first complete type is. */
static size_t type_length(const char *types) {
        size_t n = 1;

        if (*types == 'a')
                return 1 + type_length(types + 1);
        if (*types != '(' && *types != '{')
                return 1;
        while (types[n] != ')' && types[n] != '}')
                n += type_length(types + n);
        return n + 1;
}

static int append_all(struct builder *builder, const char *types);

static int append_container(struct builder *builder, char kind, const char *contents, size_t n) {
        int r;

        r = sd_bus_message_open_container(builder->message, kind, contents);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append_all(builder, contents);
        return r < 0 ? r : sd_bus_message_close_container(builder->message);
}

static int append_variant(struct builder *builder) {
        static const char *const types[] = {"s",      "u",  "t",     "x",      "b",     "d",     "as", "at", "a(xtt)",
                                            "a{sv}",  "aa{sv}", "a{st}", "(su)", "av", "v", "y", "i",  "n",  "q",
                                            "o",      "g",  "a{ss}", "aas"};
        size_t choice = fuzz_number(builder->input, 1) % (sizeof(types) / sizeof(*types));

        return append_container(builder, 'v', builder->depth < DEPTH_MAX ? types[choice] : "s", 1);
}

static int append_one(struct builder *builder, const char *type, size_t length) {
        char contents[TYPES_MAX];
        size_t n = 1;

        switch (*type) {
        case 'v':
                return append_variant(builder);
        case 'a':
                (void) snprintf(contents, sizeof(contents), "%.*s", (int) length - 1, type + 1);
                n = fuzz_number(builder->input, 1) % ELEMENTS_MAX;
                return append_container(builder, 'a', contents, n);
        case '(':
        case '{':
                (void) snprintf(contents, sizeof(contents), "%.*s", (int) length - 2, type + 1);
                return append_container(builder, *type == '(' ? 'r' : 'e', contents, n);
        default:
                return append_basic(builder, *type);
        }
}

static int append_all(struct builder *builder, const char *types) {
        int r = 0;

        builder->depth++;
        for (size_t n; *types && r >= 0; types += n) {
                n = type_length(types);
                r = append_one(builder, types, n);
        }
        builder->depth--;
        return r;
}

int fuzz_append(sd_bus_message *message, struct fuzz_input *input, const struct fuzz_words *words,
                const char *types) {
        struct builder builder = {.message = message, .input = input, .words = words};

        return append_all(&builder, types);
}
