/* SPDX-License-Identifier: MIT */
#include "source/source.h"

#include <errno.h>
#include <string.h>

#include "source/addresses.h"
#include "source/filter.h"
#include "source/pattern.h"
#include "source/pcap_handle.h"
#include "util/strv.h"

const struct source_ops *const source_implementations[] = {&source_bpf, &source_pcap, &source_file, NULL};

struct source {
        const struct source_ops *ops;
        void *state;
};

int source_new(const char *name, const struct source_config *config, struct source **ret_source,
               struct source_error *ret_error) {
        _cleanup_free_ struct source *source = NULL;
        int r;

        for (const struct source_ops *const *ops = source_implementations; *ops; ops++) {
                if (strcmp((*ops)->name, name) != 0)
                        continue;
                source = calloc(1, sizeof(*source));
                if (!source)
                        return -ENOMEM;
                source->ops = *ops;
                r = source->ops->open(config, &source->state, ret_error);
                if (r < 0)
                        return r;
                *ret_source = TAKE_PTR(source);
                return 0;
        }
        (void) snprintf(ret_error->text, sizeof(ret_error->text), "no such backend: %s", name);
        return -ENOENT;
}

void source_free(struct source *source) {
        if (!source)
                return;
        source->ops->close(source->state);
        free(source);
}

const char *source_name(const struct source *source) {
        return source->ops->name;
}

bool source_knows_owners(const struct source *source) {
        return source->ops->knows_owners;
}

int source_fd(const struct source *source) {
        return source->ops->fd(source->state);
}

int source_drain(struct source *source, int max_packets, sample_handler handler, void *userdata,
                 struct source_error *ret_error) {
        return source->ops->drain(source->state, max_packets, handler, userdata, ret_error);
}

int source_choose(struct source *source, const struct source_choice *choice,
                  const struct source_waiting *waiting, struct source_error *ret_error) {
        if (source->ops->choose)
                return source->ops->choose(source->state, choice, waiting, ret_error);
        (void) snprintf(ret_error->text, sizeof(ret_error->text),
                        "%s captures what it does, there is nothing to choose", source->ops->name);
        return -EOPNOTSUPP;
}

bool source_lists_devices(const struct source *source) {
        return source->ops->choose != NULL;
}

bool source_busy(const struct source *source) {
        return source->ops->busy && source->ops->busy(source->state);
}

bool source_choice_is_empty(const struct source_choice *choice) {
        return strv_length(choice->devices) == 0 && strv_length(choice->addresses) == 0 &&
               filter_is_blank(choice->filter);
}

int source_check(const struct source_choice *choice, const struct source_waiting *waiting,
                 struct source_error *ret_error) {
        unsigned link_types = strv_length(choice->devices) > 0 ? FILTER_DEVICES : FILTER_ANY;
        _cleanup_(filter_freep) struct filter *filter = NULL;
        struct addresses addresses;
        int r;

        r = patterns_check(choice->devices, ret_error);
        if (r < 0)
                return r;
        r = addresses_parse(choice->addresses, &addresses, ret_error);
        if (r < 0)
                return r;
        return filter_new(choice->filter, SNAPLEN, link_types, waiting, &filter, ret_error);
}

void source_stats(struct source *source, struct source_stats *ret_stats) {
        source->ops->stats(source->state, ret_stats);
}

void source_device(const struct source *source, struct source_device *ret_device) {
        source->ops->device(source->state, ret_device);
}
