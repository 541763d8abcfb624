/* SPDX-License-Identifier: MIT */
#include "owner/owner_lookup.h"

#include <errno.h>
#include <linux/capability.h>
#include <string.h>

#include "owner/netns_socket.h"
#include "util/capability.h"

const struct owner_ops *const owner_implementations[] = {&owner_bpf, &owner_procfs, NULL};

struct owner_lookup {
        const struct owner_ops *ops;
        void *state;
};

/* Adds "NAME: WHY" to what was tried before. */
static void add_why(char tried[static OWNER_WHY_MAX], const char *name, const char *why) {
        size_t n = strlen(tried);

        (void) snprintf(tried + n, OWNER_WHY_MAX - n, "%s%s: %.200s", n > 0 ? "; " : "", name, why);
}

int owner_lookup_new(const char *name, const struct owner_config *config, struct owner_lookup **ret_lookup,
                     char ret_why[static OWNER_WHY_MAX]) {
        _cleanup_free_ struct owner_lookup *lookup = calloc(1, sizeof(*lookup));
        int r = -ENOENT;

        *ret_why = '\0';
        if (!lookup)
                return -ENOMEM;
        for (const struct owner_ops *const *ops = owner_implementations; *ops; ops++) {
                char why[OWNER_WHY_MAX] = "";

                if (name && strcmp((*ops)->name, name) != 0)
                        continue;
                r = (*ops)->open(config, &lookup->state, why);
                if (r < 0) {
                        add_why(ret_why, (*ops)->name, *why ? why : strerror(-r));
                        continue;
                }
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

void owner_lookup_rest(struct owner_lookup *lookup) {
        lookup->ops->rest(lookup->state);
}

int owner_lookup_check_namespaces(void) {
        /* closed sockets have to be heard of, too: closed_sockets.h */
        return have_capability(CAP_NET_BROADCAST) ? netns_check() : -EPERM;
}

bool owner_lookup_contested(const struct owner_lookup *lookup, const struct owner_question *question,
                            uint64_t cookie) {
        return lookup->ops->contested(lookup->state, question, cookie);
}

bool owner_lookup_is_too_late(const struct owner_lookup *lookup) {
        return lookup->ops->too_late;
}

enum owner_recall owner_lookup_recall(struct owner_lookup *lookup, const struct owner_question *question,
                                      struct owner *ret_owner) {
        return lookup->ops->recall ? lookup->ops->recall(lookup->state, question, ret_owner)
                                   : OWNER_RECALL_UNKNOWN;
}

bool owner_lookup_changed(struct owner_lookup *lookup, const struct flow_key *key, uint64_t after_usec,
                          uint64_t until_usec) {
        return lookup->ops->changed && lookup->ops->changed(lookup->state, key, after_usec, until_usec);
}

bool owner_lookup_recalls(const struct owner_lookup *lookup) {
        return lookup->ops->recall;
}

void owner_lookup_stats(const struct owner_lookup *lookup, struct owner_stats *ret_stats) {
        lookup->ops->stats(lookup->state, ret_stats);
}
