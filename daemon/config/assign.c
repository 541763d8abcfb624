/* SPDX-License-Identifier: MIT */
#include "config/assign.h"

#include <errno.h>
#include <string.h>

/* A list that grows is from all of the places that it grew at. */
static int remember(struct config_origin *origin, bool grows, enum config_origin_kind kind,
                    const struct messages *messages) {
        char *places = NULL;

        if (kind == CONFIG_FROM_FILE && asprintf(&places, "%s%s%s:%u", grows ? origin->places : "",
                                                 grows ? ", " : "", messages->path, messages->line) < 0)
                return -ENOMEM;
        for (char *c = places; c && *c; c++) /* it is printed as a comment, which ends with the line */
                if ((unsigned char) *c < ' ' || *c == '\177')
                        *c = '?';
        free(origin->places);
        *origin = (struct config_origin){.kind = kind, .places = places};
        return 0;
}

int config_assign(struct config *config, const struct setting *setting, const char *text,
                  enum config_origin_kind kind, const struct messages *messages) {
        struct config_origin *origin = &config->origins[setting - settings];
        char error[CONFIG_MESSAGE_MAX];
        bool grows;
        int r;

        grows = setting->type->is_list && *text && kind == CONFIG_FROM_FILE && origin->kind == kind;
        r = setting_assign(setting, config, text, error);
        if (r == -ENOMEM)
                return r;
        if (r < 0) {
                messages_tell(messages, "%s=%.100s: %s; ignored",
                              kind == CONFIG_FROM_ENVIRONMENT ? "SYSTEMD_LOG_LEVEL" : setting->key, text,
                              error);
                return 0;
        }
        return remember(origin, grows, kind, messages);
}
