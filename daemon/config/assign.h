/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/messages.h"
#include "config/settings.h"

/* Sets a setting and remembers where that was: messages->path and ->line for a file. What is wrong with it
 * is told, and what held before it stands. Returns 0 or -ENOMEM. */
int config_assign(struct config *config, const struct setting *setting, const char *text,
                  enum config_origin_kind kind, const struct messages *messages);
