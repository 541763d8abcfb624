/* SPDX-License-Identifier: MIT */
#include "manager/configure.h"

#include <string.h>

#include "manager/journal.h"
#include "util/log.h"

void configure_choice(const struct config *config, struct source_choice *ret_choice) {
        *ret_choice = (struct source_choice){
                .devices = (const char *const *) config->devices,
                .addresses = (const char *const *) config->addresses,
                .filter = config->filter,
        };
}

void configure_engine(const struct config *config, struct engine_config *ret_config) {
        engine_config_init(ret_config);
        ret_config->backend = config->backend;
        ret_config->owners = strcmp(config->owners, "auto") == 0 ? NULL : config->owners;
        configure_choice(config, &ret_config->choice);
        ret_config->sync_interval_usec = config->sync_interval_usec;
        ret_config->workers = config->workers;
        if (config->queue_packets > 0)
                ret_config->ring_bytes = engine_ring_bytes(config->queue_packets);
}

void configure_log(const struct config *config) {
        bool asked = config->origins[CONFIG_LOG_LEVEL].kind != CONFIG_FROM_DEFAULT;

        log_set_level(asked || journal_is_there() ? config->log_level : LOG_NOTICE);
}

void configure_log_message(void *userdata, const char *message) {
        (void) userdata;
        log_write(LOG_WARNING, "%s", message);
}

static void change(struct config *config, struct config *fresh, enum config_setting setting,
                   configure_handler apply, void *userdata) {
        _cleanup_free_ char *text = config_format(fresh, setting);
        struct source_error error = {.text = "out of memory"};
        const char *key = config_key(setting), *origin = config_origin_text(fresh, setting);

        if (!text)
                log_write(LOG_ERR, "%s= has changed, but there is no memory to apply it", key);
        else if (!config_applies_at_run_time(setting))
                log_write(LOG_NOTICE, "%s=%s (%s) needs a restart", key, text, origin);
        else if (apply(userdata, setting, fresh, &error) < 0)
                log_write(LOG_WARNING, "%s=%s (%s) is not applied: %s", key, text, origin, error.text);
        else {
                log_write(LOG_NOTICE, "%s=%s (%s) holds now", key, text, origin);
                config_take(config, fresh, setting);
        }
}

void configure_again(struct config *config, const struct config_sources *sources, configure_handler apply,
                     void *userdata) {
        _cleanup_(config_done) struct config fresh = {};

        if (config_load(sources, configure_log_message, NULL, &fresh) < 0) {
                log_write(LOG_ERR, "cannot read the configuration again: all stays as it is");
                return;
        }
        for (enum config_setting i = 0; i < CONFIG_SETTINGS; i++)
                if (config_differs(config, &fresh, i))
                        change(config, &fresh, i, apply, userdata);
}
