/* SPDX-License-Identifier: MIT */
#pragma once

#include <errno.h>

#include "decode/cursor.h"
#include "model/unattributed.h"

/* Ends decoding for that reason. Returns -EBADMSG. */
static inline int refuse(enum unattributed *ret_reason, enum unattributed reason) {
        *ret_reason = reason;
        return -EBADMSG;
}

/* Ends decoding because the next `needed` bytes are not all there: the snaplen cut them off (truncated), or
 * the packet never had them (malformed). Returns -EBADMSG. */
static inline int cut_short(const struct cursor *cursor, size_t needed, enum unattributed *ret_reason) {
        return refuse(ret_reason, cursor->wire < needed ? UNATTRIBUTED_MALFORMED : UNATTRIBUTED_TRUNCATED);
}
