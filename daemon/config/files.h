/* SPDX-License-Identifier: MIT */
#pragma once

#include "config/messages.h"

/* No file is longer, in bytes. */
#define CONFIG_FILE_MAX (1u << 20)

/* Reads them all into config: the main file from the first folder that has one, then the drop-ins of all
 * folders in the order of their names; a name in a folder hides the same name in those behind it. What
 * cannot be read is told. root stands in for "/". Returns 0 or -ENOMEM. */
int files_load(const char *root, const struct messages *messages, struct config *config);

/* Reads just this one. Returns 0, -ENOMEM, or why it could not be read, which has been told. */
int files_load_one(const char *path, const struct messages *messages, struct config *config);
