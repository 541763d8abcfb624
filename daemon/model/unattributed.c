/* SPDX-License-Identifier: MIT */
#include "model/unattributed.h"

static const char *const names[] = {
#define UNATTRIBUTED_TEXT(name, text, meaning) [UNATTRIBUTED_##name] = text,
        UNATTRIBUTED_REASONS(UNATTRIBUTED_TEXT)
#undef UNATTRIBUTED_TEXT
};

const char *unattributed_name(enum unattributed reason) {
        return names[reason];
}
