/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Runs FUNC on the address of the variable when it goes out of scope. */
#define _cleanup_(func)        __attribute__((cleanup(func)))
#define _printf_(index, first) __attribute__((format(printf, index, first)))
#define _const_                __attribute__((const))
#define _pure_                 __attribute__((pure))
#define _unused_               __attribute__((unused))

#define ELEMENTSOF(array) (sizeof(array) / sizeof((array)[0]))

#define MIN(a, b)                                  \
        __extension__({                            \
                __typeof__(a) _min_a = (a);        \
                __typeof__(b) _min_b = (b);        \
                _min_a < _min_b ? _min_a : _min_b; \
        })
#define MAX(a, b)                                  \
        __extension__({                            \
                __typeof__(a) _max_a = (a);        \
                __typeof__(b) _max_b = (b);        \
                _max_a > _max_b ? _max_a : _max_b; \
        })

/* Reads a variable and leaves NULL (or -1) behind: ownership moves to the reader. */
#define TAKE_PTR(ptr)                           \
        __extension__({                         \
                __typeof__(ptr) _taken = (ptr); \
                (ptr) = NULL;                   \
                _taken;                         \
        })
#define TAKE_FD(fd)                \
        __extension__({            \
                int _taken = (fd); \
                (fd) = -1;         \
                _taken;            \
        })

/* Defines `static inline void FUNCp(TYPE *)` for _cleanup_, over a destructor that takes NULL. */
#define DEFINE_CLEANUP(type, func)                            \
        static inline _unused_ void func##p(type *variable) { \
                func(*variable);                              \
        }

static inline void freep(void *variable) {
        free(*(void **) variable);
}

/* Closes fd unless it is negative; always returns -1, to be assigned back. */
static inline int safe_close(int fd) {
        if (fd >= 0)
                close(fd);
        return -1;
}

static inline void closep(int *fd) {
        *fd = safe_close(*fd);
}

static inline void safe_fclose(FILE *file) {
        if (file)
                fclose(file);
}
DEFINE_CLEANUP(FILE *, safe_fclose)

#define _cleanup_free_   _cleanup_(freep)
#define _cleanup_close_  _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(safe_fclosep)
