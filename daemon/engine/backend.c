/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "engine/engine_internal.h"

/* What ENGINE_BACKEND_AUTO tries, the best one first. */
static const char *const candidates[] = {"bpf", "pcap"};

static int open_named(struct engine *engine, const char *name, const struct source_choice *choice,
                      struct source **ret_source, struct source_error *ret_error) {
        const struct source_config config = {
                .path = engine->config.savefile,
                .choice = *choice,
                .ring_bytes = engine->config.ring_bytes,
                .workers = engine->config.workers,
                .max_processes = engine->config.max_kernel_processes,
                .max_sockets = engine->config.max_kernel_sockets,
                .interfaces = engine->interfaces,
                .namespaces = engine->namespaces,
                .devices = engine->devices,
        };

        return source_new(name, &config, ret_source, ret_error);
}

/* Adds "NAME: WHY" to what was said before. */
static void add_reason(struct source_error *reason, const char *name, const char *why) {
        size_t n = strlen(reason->text);

        (void) snprintf(reason->text + n, sizeof(reason->text) - n, "%s%s: %.200s", n > 0 ? "; " : "", name,
                        why);
}

static int open_best(struct engine *engine, const struct source_choice *choice, struct source **ret_source,
                     struct source_error *ret_reason, struct source_error *ret_error) {
        struct source_error tried = {};
        int r = -ENOENT;

        for (size_t i = 0; i < ELEMENTSOF(candidates); i++) {
                struct source_error error = {};

                r = open_named(engine, candidates[i], choice, ret_source, &error);
                if (r >= 0) {
                        *ret_reason = tried;
                        return r;
                }
                add_reason(&tried, candidates[i], error.text);
        }
        *ret_error = tried;
        return r;
}

/* What of a choice it is that bpf cannot do. */
static const char *needs_packets(const struct source_choice *choice) {
        if (choice->devices && *choice->devices)
                return "chosen devices need packets";
        if (choice->addresses && *choice->addresses)
                return "chosen addresses need packets";
        return "a filter needs packets";
}

int engine_open_source(struct engine *engine, const struct source_choice *choice, struct source **ret_source,
                       struct source_error *ret_reason, struct source_error *ret_error) {
        struct source_error reason = {};
        int r;

        if (strcmp(engine->config.backend, ENGINE_BACKEND_AUTO) != 0)
                r = open_named(engine, engine->config.backend, choice, ret_source, ret_error);
        else if (source_choice_is_empty(choice))
                return open_best(engine, choice, ret_source, ret_reason, ret_error);
        else {
                r = open_named(engine, "pcap", choice, ret_source, ret_error);
                add_reason(&reason, "bpf", needs_packets(choice));
        }
        if (r >= 0)
                *ret_reason = reason;
        return r;
}
