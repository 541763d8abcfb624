/* SPDX-License-Identifier: MIT */
#include "util/strv.h"

#include <errno.h>
#include <string.h>

size_t strv_length(const char *const *strings) {
        size_t n = 0;

        while (strings && strings[n])
                n++;
        return n;
}

int strv_copy(const char *const *strings, char ***ret_strings) {
        _cleanup_(strv_freep) char **copy = NULL;
        size_t n = strv_length(strings);

        if (n > 0) {
                copy = calloc(n + 1, sizeof(*copy));
                if (!copy)
                        return -ENOMEM;
        }
        for (size_t i = 0; i < n; i++) {
                copy[i] = strdup(strings[i]);
                if (!copy[i])
                        return -ENOMEM;
        }
        *ret_strings = TAKE_PTR(copy);
        return 0;
}

void strv_free(char **strings) {
        if (!strings)
                return;
        for (char **string = strings; *string; string++)
                free(*string);
        free(strings);
}

char *strv_join(const char *const *strings, const char *separator) {
        size_t n = strv_length(strings), size = 1;
        char *joined, *end;

        for (size_t i = 0; i < n; i++)
                size += strlen(strings[i]) + (i > 0 ? strlen(separator) : 0);
        joined = malloc(size);
        if (!joined)
                return NULL;
        *joined = '\0';
        end = joined;
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        end = stpcpy(end, separator);
                end = stpcpy(end, strings[i]);
        }
        return joined;
}
