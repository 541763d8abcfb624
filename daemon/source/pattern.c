/* SPDX-License-Identifier: MIT */
#include "source/pattern.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "util/strv.h"

/* Far more than anybody writes; each costs an fnmatch(3) for each device whenever one changes. */
#define PATTERNS_MAX      64
#define PATTERN_BYTES_MAX 128

bool pattern_excludes(const char *pattern) {
        return *pattern == '!';
}

bool pattern_is_name(const char *pattern) {
        return !pattern_excludes(pattern) && !strpbrk(pattern, "*?[\\");
}

static int refuse(const char *pattern, const char *why, struct source_error *ret_error) {
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "device \"%.64s\": %s", pattern, why);
        return -EINVAL;
}

/* What is in no interface's name: dev_valid_name() of net/core/dev.c. */
static bool has_impossible_byte(const char *name) {
        for (; *name; name++)
                if (isspace((unsigned char) *name) || iscntrl((unsigned char) *name) || *name == '/' ||
                    *name == ':')
                        return true;
        return false;
}

/* A `:` may stand in a class like [[:digit:]]. */
static bool is_impossible(const char *name) {
        return strpbrk(name, "[") ? strpbrk(name, "/ \t\r\n") != NULL : has_impossible_byte(name);
}

static int check(const char *pattern, struct source_error *ret_error) {
        const char *name = pattern + pattern_excludes(pattern);

        if (!*name)
                return refuse(pattern, "no name", ret_error);
        if (strlen(name) > PATTERN_BYTES_MAX)
                return refuse(pattern, "too long", ret_error);
        if (is_impossible(name))
                return refuse(pattern,
                              "no device has such a name: neither blanks, nor control characters, "
                              "nor / nor : are allowed",
                              ret_error);
        if (pattern_is_name(name) && strlen(name) >= IF_NAMESIZE)
                return refuse(pattern, "no device has such a name: it is longer than 15 bytes", ret_error);
        return 0;
}

int patterns_check(const char *const *patterns, struct source_error *ret_error) {
        size_t n = strv_length(patterns);

        if (n > PATTERNS_MAX) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "%zu devices are named, but at most %d can be", n, PATTERNS_MAX);
                return -EINVAL;
        }
        for (size_t i = 0; i < n; i++) {
                int r = check(patterns[i], ret_error);

                if (r < 0)
                        return r;
        }
        return 0;
}

bool patterns_match(const char *const *patterns, const char *name) {
        bool meant = false, any_meant = true;

        for (; patterns && *patterns; patterns++) {
                const char *pattern = *patterns;

                if (pattern_excludes(pattern)) {
                        if (fnmatch(pattern + 1, name, 0) == 0)
                                return false;
                        continue;
                }
                any_meant = false;
                meant = meant || fnmatch(pattern, name, 0) == 0;
        }
        return meant || any_meant;
}
