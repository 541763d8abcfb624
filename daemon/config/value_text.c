/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "config/value.h"
#include "util/macros.h"

#define BLANKS "\t\n\r "

/* The longest pattern for a device: patterns may be longer than the names they match. */
#define PATTERN_MAX 128u

/* What a file can hold and give back as it was: one line without control characters and blanks around it,
 * and without a backslash at its end, which continues a line. */
static bool is_one_line(const char *text) {
        size_t length = strlen(text);

        for (const char *c = text; *c; c++)
                if ((unsigned char) *c < ' ' || *c == '\177')
                        return false;
        return text[0] != ' ' && text[length - 1] != ' ' && text[length - 1] != '\\';
}

static void replace_text(void *field, char *text) {
        free(*(char **) field);
        *(char **) field = text;
}

/* A filter may come from a script, over several lines: to pcap-filter(7) any blank is as good as another. */
static int read_text(void *field, const char *text, const struct value_range *range) {
        _cleanup_free_ char *copy = strdup(text + strspn(text, BLANKS));

        (void) range;
        if (!copy)
                return -ENOMEM;
        for (char *c = copy; (c = strpbrk(c, "\t\n\r")); c++)
                *c = ' ';
        for (size_t n = strlen(copy); n > 0 && copy[n - 1] == ' '; n--)
                copy[n - 1] = '\0';
        if (*copy && !is_one_line(copy))
                return -EINVAL;
        replace_text(field, *copy ? TAKE_PTR(copy) : NULL);
        return 0;
}

static int read_path(void *field, const char *text, const struct value_range *range) {
        char *copy;

        (void) range;
        if (text[0] != '/' || text[strlen(text) - 1] == '/' || !is_one_line(text))
                return -EINVAL;
        copy = strdup(text);
        if (!copy)
                return -ENOMEM;
        replace_text(field, copy);
        return 0;
}

static void write_text(const void *field, FILE *out) {
        const char *text = *(char *const *) field;

        (void) fputs(text ?: "", out);
}

static bool equal_text(const void *a, const void *b) {
        const char *first = *(char *const *) a, *second = *(char *const *) b;

        return strcmp(first ?: "", second ?: "") == 0;
}

static void clear_text(void *field) {
        replace_text(field, NULL);
}

const struct value_type value_text = {
        .size = sizeof(char *),
        .what = "one line of text that does not end in a backslash",
        .read = read_text,
        .write = write_text,
        .equal = equal_text,
        .clear = clear_text,
};

const struct value_type value_path = {
        .size = sizeof(char *),
        .what = "the absolute path of a file",
        .read = read_path,
        .write = write_text,
        .equal = equal_text,
        .clear = clear_text,
};

static size_t list_length(char *const *list) {
        size_t n = 0;

        while (list && list[n])
                n++;
        return n;
}

static void list_free(char **list) {
        for (char **item = list; item && *item; item++)
                free(*item);
        free(list);
}
DEFINE_CLEANUP(char **, list_free)

static int list_append(char ***list, const char *item) {
        size_t n = list_length(*list);
        char **longer;

        if (n >= VALUE_LIST_MAX)
                return -E2BIG;
        longer = reallocarray(*list, n + 2, sizeof(*longer));
        if (!longer)
                return -ENOMEM;
        *list = longer;
        longer[n + 1] = NULL;
        longer[n] = strdup(item);
        return longer[n] ? 0 : -ENOMEM;
}

/* Appends the words of a text, each as `check` puts it, or none of them. */
static int read_list(char ***list, const char *text,
                     int (*check)(const char *word, char item[PATTERN_MAX])) {
        _cleanup_(list_freep) char **longer = NULL;
        _cleanup_free_ char *copy = strdup(text);
        char *rest = NULL, item[PATTERN_MAX];
        int r;

        if (!copy)
                return -ENOMEM;
        for (size_t i = 0; i < list_length(*list); i++) {
                r = list_append(&longer, (*list)[i]);
                if (r < 0)
                        return r;
        }
        for (char *word = strtok_r(copy, BLANKS, &rest); word; word = strtok_r(NULL, BLANKS, &rest)) {
                r = check(word, item);
                if (r < 0)
                        return r;
                r = list_append(&longer, item);
                if (r < 0)
                        return r;
        }
        list_free(*list);
        *list = TAKE_PTR(longer);
        return 0;
}

/* Is every [ closed? fnmatch(3) takes one that is not for itself, which no interface has in its name. */
static bool brackets_close(const char *pattern) {
        const char *open = strchr(pattern, '[');

        while (open) {
                const char *c = open + 1;

                c += *c == '!' || *c == '^';
                c += *c == ']'; /* the first one stands for itself */
                c = strchr(c, ']');
                if (!c)
                        return false;
                open = strchr(c, '[');
        }
        return true;
}

/* Names are what dev_valid_name() of net/core/dev.c lets pass. */
static int check_device(const char *word, char item[PATTERN_MAX]) {
        const char *name = word + (word[0] == '!');
        size_t length = strlen(name);

        if (length == 0 || strlen(word) >= PATTERN_MAX || strpbrk(name, "/:\\") || name[0] == '!' ||
            strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
                return -EINVAL;
        for (const char *c = name; *c; c++)
                if ((unsigned char) *c < ' ' || *c == '\177')
                        return -EINVAL;
        if (!strpbrk(name, "*?[") && length >= IFNAMSIZ)
                return -EINVAL;
        if (!brackets_close(name))
                return -EINVAL;
        strcpy(item, word);
        return 0;
}

static int check_address(const char *word, char item[PATTERN_MAX]) {
        unsigned char address[sizeof(struct in6_addr)];
        int family = strchr(word, ':') ? AF_INET6 : AF_INET;

        if (inet_pton(family, word, address) != 1 || !inet_ntop(family, address, item, PATTERN_MAX))
                return -EINVAL;
        return 0;
}

static int read_devices(void *field, const char *text, const struct value_range *range) {
        (void) range;
        return read_list(field, text, check_device);
}

static int read_addresses(void *field, const char *text, const struct value_range *range) {
        (void) range;
        return read_list(field, text, check_address);
}

static void write_list(const void *field, FILE *out) {
        char *const *list = *(char **const *) field;

        for (size_t i = 0; i < list_length(list); i++)
                (void) fprintf(out, "%s%s", i > 0 ? " " : "", list[i]);
}

static bool equal_list(const void *a, const void *b) {
        char *const *first = *(char **const *) a, *const *second = *(char **const *) b;
        size_t n = list_length(first);

        if (list_length(second) != n)
                return false;
        for (size_t i = 0; i < n; i++)
                if (strcmp(first[i], second[i]) != 0)
                        return false;
        return true;
}

static void clear_list(void *field) {
        char ***list = field;

        list_free(*list);
        *list = NULL;
}

const struct value_type value_devices = {
        .size = sizeof(char **),
        .is_list = true,
        .what = "names of devices (at most 15 bytes) or patterns such as en* and !docker*",
        .read = read_devices,
        .write = write_list,
        .equal = equal_list,
        .clear = clear_list,
};

const struct value_type value_addresses = {
        .size = sizeof(char **),
        .is_list = true,
        .what = "IPv4 or IPv6 addresses",
        .read = read_addresses,
        .write = write_list,
        .equal = equal_list,
        .clear = clear_list,
};
