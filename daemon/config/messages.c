/* SPDX-License-Identifier: MIT */
#include "config/messages.h"

#include <stdarg.h>

#include "util/utf8.h"

void messages_tell(const struct messages *messages, const char *format, ...) {
        char text[CONFIG_MESSAGE_MAX + 256], message[sizeof(text) + 512];
        va_list arguments;

        va_start(arguments, format);
        (void) vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        if (!messages->path)
                (void) snprintf(message, sizeof(message), "%s", text);
        else if (messages->line == 0)
                (void) snprintf(message, sizeof(message), "%s: %s", messages->path, text);
        else
                (void) snprintf(message, sizeof(message), "%s:%u: %s", messages->path, messages->line, text);
        utf8_make_valid(message);
        for (char *c = message; *c; c++)
                if ((unsigned char) *c < ' ' || *c == '\177')
                        *c = '?';
        messages->handler(messages->userdata, message);
}
