/* SPDX-License-Identifier: MIT */
#include "owner/owner_lookup.h"

#include <errno.h>
#include <string.h>

const struct owner_ops *const owner_implementations[] = {&owner_procfs, NULL};

struct owner_lookup {
        const struct owner_ops *ops;
        void *state;
};

int owner_lookup_new(const char *name, const struct owner_config *config, struct owner_lookup **ret_lookup) {
        _cleanup_free_ struct owner_lookup *lookup = calloc(1, sizeof(*lookup));
        int r = -ENOENT;

        if (!lookup)
                return -ENOMEM;
        for (const struct owner_ops *const *ops = owner_implementations; *ops; ops++) {
                if (name && strcmp((*ops)->name, name) != 0)
                        continue;
                r = (*ops)->open(config, &lookup->state);
                if (r < 0)
                        continue;
                lookup->ops = *ops;
                *ret_lookup = TAKE_PTR(lookup);
                return 0;
        }
        return r;
}

void owner_lookup_free(struct owner_lookup *lookup) {
        if (!lookup)
                return;
        lookup->ops->close(lookup->state);
        free(lookup);
}

const char *owner_lookup_name(const struct owner_lookup *lookup) {
        return lookup->ops->name;
}

int owner_lookup_find(struct owner_lookup *lookup, const struct owner_question *question, uint64_t now_usec,
                      enum owner_status *ret_status, struct owner *ret_owner) {
        return lookup->ops->find(lookup->state, question, now_usec, ret_status, ret_owner);
}

int owner_lookup_confirm(struct owner_lookup *lookup, const struct owner_question *question,
                         const struct owner *owner, uint64_t now_usec) {
        return lookup->ops->confirm(lookup->state, question, owner, now_usec);
}

void owner_lookup_update(struct owner_lookup *lookup) {
        lookup->ops->update(lookup->state);
}

bool owner_lookup_contested(const struct owner_lookup *lookup, const struct owner_question *question,
                            uint64_t cookie) {
        return lookup->ops->contested(lookup->state, question, cookie);
}

bool owner_lookup_is_too_late(const struct owner_lookup *lookup) {
        return lookup->ops->too_late;
}

void owner_lookup_stats(const struct owner_lookup *lookup, struct owner_stats *ret_stats) {
        lookup->ops->stats(lookup->state, ret_stats);
}
