/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "config/assign.h"
#include "config/files.h"

static int load_files(const struct config_sources *sources, const struct messages *messages,
                      struct config *config) {
        if (sources->file)
                return files_load_one(sources->file, messages, config);
        return sources->no_files ? 0 : files_load(sources->root, messages, config);
}

/* The first of a list on the command line replaces what files say; the next ones add to it. */
static int apply_options(const struct config_sources *sources, const struct messages *messages,
                         struct config *config) {
        bool given[CONFIG_SETTINGS] = {};

        for (size_t i = 0; i < sources->n_options; i++) {
                const struct config_option *option = &sources->options[i];
                const struct setting *setting = &settings[option->setting];
                int r = 0;

                if (setting->type->is_list && !given[option->setting])
                        r = config_assign(config, setting, "", CONFIG_FROM_COMMAND_LINE, messages);
                if (r >= 0)
                        r = config_assign(config, setting, option->text, CONFIG_FROM_COMMAND_LINE, messages);
                if (r < 0)
                        return r;
                given[option->setting] = true;
        }
        return 0;
}

int config_load(const struct config_sources *sources, config_handler handler, void *userdata,
                struct config *ret_config) {
        const struct messages messages = {.handler = handler, .userdata = userdata};
        _cleanup_(config_done) struct config config;
        int r;

        config_init(&config);
        r = load_files(sources, &messages, &config);
        if (r >= 0 && sources->log_level && *sources->log_level)
                r = config_assign(&config, &settings[CONFIG_LOG_LEVEL], sources->log_level,
                                  CONFIG_FROM_ENVIRONMENT, &messages);
        if (r >= 0)
                r = apply_options(sources, &messages, &config);
        if (r < 0)
                return r;

        *ret_config = config;
        config = (struct config){};
        return 0;
}

int config_check(const struct config_option *option, char error[static CONFIG_MESSAGE_MAX]) {
        _cleanup_(config_done) struct config scratch;
        const struct setting *setting = &settings[option->setting];
        char why[CONFIG_MESSAGE_MAX] = "out of memory";

        config_init(&scratch);
        if (setting_assign(setting, &scratch, option->text, why) >= 0)
                return 0;
        (void) snprintf(error, CONFIG_MESSAGE_MAX, "--%s %.100s: %.300s", setting->option, option->text,
                        why);
        for (char *c = error; *c; c++)
                if ((unsigned char) *c < ' ' || *c == '\177')
                        *c = '?';
        return -EINVAL;
}
