/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "config/settings.h"
#include "support.h"

static void count(void *userdata, const char *message) {
        for (const char *c = message; *c; c++) /* fit for a terminal */
                expect((unsigned char) *c >= ' ' && *c != '\177');
        expect(strncmp(message, "x:", 2) == 0 &&
               message[2] != ' '); /* no line: what inih alone thinks is wrong */
        (*(unsigned *) userdata)++;
}

/* What holds, when it is printed, is read back as the same and without a complaint. */
static void print_and_read(const struct config *config) {
        struct config copy;
        unsigned complaints = 0;
        char *text = NULL;
        size_t length;
        FILE *out = open_memstream(&text, &length);

        expect(out && config_print(config, out) == 0 && fclose(out) == 0);
        config_init(&copy);
        expect(config_parse(&copy, "x", text, length, count, &complaints) == 0);
        expect(complaints == 0);
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++)
                expect(!config_differs(config, &copy, i));
        config_done(&copy);
        free(text);
}

/* The types by themselves, those among them of settings that are refused as yet: what they read they write,
 * and read again. */
static void read_value(const struct setting *setting, const char *text) {
        struct config config, copy;
        void *field = setting_field(setting, &config), *again = setting_field(setting, &copy);
        char *written = NULL;
        size_t length;
        FILE *out;

        config_init(&config);
        config_init(&copy);
        if (text[strspn(text, "\t\n\r ")] != '\0' &&
            setting->type->read(field, text, &setting->range) == 0) {
                out = open_memstream(&written, &length);
                expect(out);
                setting->type->write(field, out);
                expect(fclose(out) == 0);
                setting->type->clear(again);
                expect(*written == '\0' || setting->type->read(again, written, &setting->range) == 0);
                expect(setting->type->equal(field, again));
                free(written);
        }
        config_done(&config);
        config_done(&copy);
}

/* One byte: below the number of settings, one of these, and the rest is its value on the command line; else
 * the rest is a file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct config config;
        unsigned complaints = 0;

        if (size < 1)
                return 0;
        if (data[0] < CONFIG_SETTINGS) {
                char *text = strndup((const char *) data + 1, size - 1), error[CONFIG_MESSAGE_MAX] = "";
                const struct config_option option = {.setting = (enum config_setting) data[0], .text = text};
                int r;

                expect(text != NULL);
                r = config_check(&option, error);
                expect((r == 0) == (*error == '\0'));
                read_value(&settings[data[0]], text);
                free(text);
                return 0;
        }
        config_init(&config);
        expect(config_parse(&config, "x", (const char *) data + 1, size - 1, count, &complaints) == 0);
        expect(complaints <= size);
        print_and_read(&config);
        config_done(&config);
        return 0;
}
