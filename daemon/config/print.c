/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "config/settings.h"

char *config_format(const struct config *config, enum config_setting setting) {
        const struct setting *row = &settings[setting];
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        if (!out)
                return NULL;
        row->type->write(setting_field_const(row, config), out);
        if (fclose(out) != 0) {
                free(text);
                return NULL;
        }
        return text;
}

const char *config_origin_text(const struct config *config, enum config_setting setting) {
        const struct config_origin *origin = &config->origins[setting];

        switch (origin->kind) {
        case CONFIG_FROM_DEFAULT:
                return "default";
        case CONFIG_FROM_FILE:
                return origin->places;
        case CONFIG_FROM_ENVIRONMENT:
                return "$SYSTEMD_LOG_LEVEL";
        case CONFIG_FROM_COMMAND_LINE:
                return "command line";
        }
        return NULL; /* there are no others */
}

int config_print(const struct config *config, FILE *out) {
        (void) fputs("[Netflowd]\n", out);
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++) {
                const struct setting *row = &settings[i];

                (void) fprintf(out, "# %s\n%s=", config_origin_text(config, i), row->key);
                row->type->write(setting_field_const(row, config), out);
                (void) fputc('\n', out);
        }
        return fflush(out) == 0 && !ferror(out) ? 0 : -EIO;
}
