/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/config.h"
#include "engine/engine.h"

/* What the configuration means to the engine; strings stay those of config. */
void configure_engine(const struct config *config, struct engine_config *ret_config);

/* The part of it that says what is captured. */
void configure_choice(const struct config *config, struct source_choice *ret_choice);

/* Sets the log level. Where none is asked for and nobody but a person at a terminal reads along, what is
 * only information is not worth a line. */
void configure_log(const struct config *config);

/* Makes `setting` of the running program what it is in `config`. Returns 0, or a negative errno with
 * *ret_error. */
typedef int (*configure_handler)(void *userdata, enum config_setting setting, const struct config *config,
                                 struct source_error *ret_error);

/* Reads the configuration again. What has changed and can be applied at run time is; it is logged what was,
 * what could not be, and what waits for the next start. `config` is what holds then. */
void configure_again(struct config *config, const struct config_sources *sources, configure_handler apply,
                     void *userdata);

/* The config_handler that logs. */
void configure_log_message(void *userdata, const char *message);
