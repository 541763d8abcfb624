/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The bytes of a packet that are still to be read. Nothing else reads packet bytes: each read says whether
 * the bytes were there, and moves on only if they were. */
struct cursor {
        const uint8_t *data;
        size_t left; /* captured bytes from data on */
        size_t wire; /* bytes from data on that the packet had on the wire; >= left */
};

static inline bool cursor_has(const struct cursor *cursor, size_t n) {
        return cursor->left >= n;
}

static inline bool cursor_skip(struct cursor *cursor, size_t n) {
        if (!cursor_has(cursor, n))
                return false;
        cursor->data += n;
        cursor->left -= n;
        cursor->wire -= n;
        return true;
}

/* Ends it after n more bytes on the wire, n <= wire: what comes then belongs to nobody. */
static inline void cursor_end(struct cursor *cursor, size_t n) {
        cursor->wire = n;
        if (cursor->left > n)
                cursor->left = n;
}

/* The byte at that offset, without moving on. */
static inline bool cursor_peek(const struct cursor *cursor, size_t offset, uint8_t *ret_value) {
        if (!cursor_has(cursor, offset + 1))
                return false;
        *ret_value = cursor->data[offset];
        return true;
}

static inline bool cursor_u8(struct cursor *cursor, uint8_t *ret_value) {
        return cursor_peek(cursor, 0, ret_value) && cursor_skip(cursor, 1);
}

static inline bool cursor_copy(struct cursor *cursor, void *ret_bytes, size_t n) {
        if (!cursor_has(cursor, n))
                return false;
        memcpy(ret_bytes, cursor->data, n);
        return cursor_skip(cursor, n);
}

/* Network order. */
static inline uint16_t be16_of(const uint8_t bytes[2]) {
        return (uint16_t) (bytes[0] << 8 | bytes[1]);
}

static inline uint32_t be32_of(const uint8_t bytes[4]) {
        return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8 | bytes[3];
}

static inline bool cursor_be16(struct cursor *cursor, uint16_t *ret_value) {
        uint8_t bytes[2];

        if (!cursor_copy(cursor, bytes, sizeof(bytes)))
                return false;
        *ret_value = be16_of(bytes);
        return true;
}

static inline bool cursor_be32(struct cursor *cursor, uint32_t *ret_value) {
        uint8_t bytes[4];

        if (!cursor_copy(cursor, bytes, sizeof(bytes)))
                return false;
        *ret_value = be32_of(bytes);
        return true;
}

/* In the byte order of whoever wrote it, which is not known but shows in a value below 65536: the other
 * order makes it larger. */
static inline bool cursor_small32(struct cursor *cursor, uint32_t *ret_value) {
        if (!cursor_be32(cursor, ret_value))
                return false;
        if (*ret_value > UINT16_MAX)
                *ret_value = __builtin_bswap32(*ret_value);
        return true;
}
