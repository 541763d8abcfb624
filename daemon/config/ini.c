/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <ini.h>
#include <string.h>

#include "config/assign.h"

/* inih splits lines into sections, keys and values. Left to itself it would also do what systemd.syntax(7)
 * does not, so that it gets its lines from us, one at a time and made plain:
 *
 * - it cuts lines at 200 bytes and goes on with the rest as a line of its own: a filter may be much longer.
 *   Its buffer is made as large as the file.
 * - "; …" behind a value is a comment to it, but a filter or a path may hold that: switched off.
 * - an indented line continues the value above, as in Python: switched off. Here a backslash at the end does
 *   that.
 * - it skips a byte order mark, in front of what we have looked at already: switched off.
 * - "Key: value" is an assignment to it, "[Section] and more" is a section, and keys below "[Section" belong
 * to the section above: such lines are told of and do not reach it.
 * - it reports the first bad line only, and numbers of lines to its handler just where it was built for
 * that, which changes the handler's type behind the compiler's back (INI_HANDLER_LINENO): the reader counts.
 * - sections without keys are not handed to the handler: the reader looks at their names.
 *
 * The switches are variables of Debian's inih; where it is built without, this does not link. */

/* What the reader puts in place of a section that is not ours: what is in it is ignored. */
#define OTHER_SECTION "[?]"
#define SECTION       "Netflowd"

/* What inih takes away around section, key and value: isspace(3), but for the newline. */
#define BLANKS " \t\v\f\r"

struct reader {
        struct config *config;
        struct messages messages;
        const char *next, *end; /* of the text that is left */
        unsigned next_line;     /* its number */
        int error;
};

static const char *skip_blanks(const char *c, const char *end) {
        while (c < end && *c != '\0' && strchr(BLANKS, *c))
                c++;
        return c;
}

/* The next line of the file as it is; false at the end. */
static bool read_physical(struct reader *reader, const char **ret_begin, const char **ret_end) {
        const char *begin = reader->next, *end;

        if (begin >= reader->end)
                return false;
        end = memchr(begin, '\n', (size_t) (reader->end - begin));
        if (!end)
                end = reader->end;
        reader->next = end < reader->end ? end + 1 : end;
        reader->next_line++;
        if (end > begin && end[-1] == '\r')
                end--;
        *ret_begin = begin;
        *ret_end = end;
        return true;
}

/* Is the last of them a backslash that no other one escapes? */
static bool is_continued(const char *begin, const char *end) {
        size_t n = 0;

        while (end - n > begin && end[-1 - (ssize_t) n] == '\\')
                n++;
        return n % 2 == 1;
}

/* The next line with all that continues it, without blank lines and comments, also where these stand in
 * between (systemd.syntax(7)). Returns false at the end. */
static bool read_logical(struct reader *reader, char *buffer, size_t size, bool *ret_good) {
        const char *begin, *end;
        bool continued = false, good = true;
        size_t length = 0;

        while (read_physical(reader, &begin, &end)) {
                const char *text = skip_blanks(begin, end);
                size_t n = (size_t) (end - begin);

                if (text == end || *text == '#' || *text == ';')
                        continue;
                if (!continued)
                        reader->messages.line = reader->next_line - 1;
                if (memchr(begin, '\0', n) || length + n >= size) {
                        good = false; /* and is read to its end all the same */
                        n = 0;
                }
                memcpy(buffer + length, begin, n);
                length += n;
                continued = is_continued(begin, end);
                if (!continued)
                        break;
                if (n > 0)
                        buffer[length - 1] = ' ';
        }
        buffer[length] = '\0';
        *ret_good = good;
        return length > 0 || !good;
}

static void check_section(struct reader *reader, char *buffer) {
        char *line = buffer + strspn(buffer, BLANKS);
        size_t length = strlen(line);

        while (length > 0 && strchr(BLANKS, line[length - 1]))
                length--;
        line[length] = '\0';
        if (strcmp(line, "[" SECTION "]") == 0)
                return;
        if (strncmp(line, "[X-", 3) != 0 || line[length - 1] != ']') /* those are for others to use */
                messages_tell(&reader->messages,
                              "unknown section %.100s; ignored, there is only [" SECTION "]", line);
        strcpy(buffer, OTHER_SECTION); /* a buffer holds at least that */
}

/* The ini_reader: as fgets(3). */
static char *next_line(char *buffer, int size, void *userdata) {
        struct reader *reader = userdata;
        bool good;

        while (read_logical(reader, buffer, (size_t) size, &good)) {
                const char *line = buffer + strspn(buffer, BLANKS);

                if (!good)
                        messages_tell(&reader->messages, "a line with a NUL byte in it; ignored");
                else if (*line == '[') {
                        check_section(reader, buffer);
                        return buffer;
                } else if (line[strcspn(line, "=:")] == '=')
                        return buffer;
                else
                        messages_tell(&reader->messages, "%.100s: neither [Section] nor Key=Value; ignored",
                                      line);
        }
        return NULL;
}

/* The ini_handler: returns 1 for what is done with, and never anything else, as inih would only count it. */
static int on_assignment(void *userdata, const char *section, const char *key, const char *value) {
        struct reader *reader = userdata;
        const struct setting *setting;

        if (strcmp(section, SECTION) != 0) {
                if (*section == '\0')
                        messages_tell(&reader->messages,
                                      "%.100s= before any section; ignored, [" SECTION "] belongs above it",
                                      key);
                return 1;
        }
        setting = setting_find(key);
        if (!setting) {
                if (strncmp(key, "X-", 2) != 0)
                        messages_tell(&reader->messages, "unknown key %.100s=; ignored", key);
                return 1;
        }
        if (reader->error >= 0)
                reader->error =
                        config_assign(reader->config, setting, value, CONFIG_FROM_FILE, &reader->messages);
        return 1;
}

int config_parse(struct config *config, const char *path, const char *text, size_t size,
                 config_handler handler, void *userdata) {
        static const char bom[] = "\xef\xbb\xbf";
        struct reader reader = {
                .config = config,
                .messages = {.handler = handler, .userdata = userdata, .path = path},
                .next = text,
                .end = text + size,
                .next_line = 1,
        };
        int r;

        if (size >= strlen(bom) && memcmp(text, bom, strlen(bom)) == 0)
                reader.next += strlen(bom); /* here, so that a blank or a [ may follow */

        ini_allow_bom = false;
        ini_allow_inline_comments = false;
        ini_allow_multiline = false;
        ini_use_stack = false;
        ini_initial_alloc = ini_max_line = (int) MAX(size, (size_t) 64) + 3; /* CR, LF, NUL: ini.h */
        r = ini_parse_stream(next_line, &reader, on_assignment, &reader);
        if (r < 0) /* -2, the one there is for a stream */
                return -ENOMEM;
        if (r > 0) { /* the first of them, as inih counts: we should have told of it */
                reader.messages.line = 0;
                messages_tell(&reader.messages, "there are lines in it that cannot be read; ignored");
        }
        return MIN(reader.error, 0);
}
