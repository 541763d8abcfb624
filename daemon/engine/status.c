/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "engine/engine_internal.h"

const char *engine_last_error(const struct engine *engine) {
        return engine->last_error.text;
}

void source_stats_add(struct source_stats *stats, const struct source_stats *more) {
        stats->received += more->received;
        stats->dropped += more->dropped;
        stats->skipped_enslaved += more->skipped_enslaved;
        stats->skipped_stacked += more->skipped_stacked;
        stats->skipped_address += more->skipped_address;
        stats->tunnel_inner += more->tunnel_inner;
}

void engine_source_stats(struct engine *engine, struct source_stats *ret_stats) {
        struct source_stats stats = {};

        if (engine->source)
                source_stats(engine->source, &stats);
        source_stats_add(&stats, &engine->earlier); /* where nothing is pending any more */
        *ret_stats = stats;
}

void engine_owner_stats(const struct engine *engine, struct owner_stats *ret_stats) {
        *ret_stats = (struct owner_stats){};
        if (engine->owners)
                owner_lookup_stats(engine->owners, ret_stats);
        if (engine->early)
                early_look_stats(engine->early, ret_stats);
}

void engine_ledger(struct engine *engine, struct ledger *ret_ledger) {
        struct source_stats stats;

        engine_source_stats(engine, &stats);
        *ret_ledger = engine->books->ledger;
        ret_ledger->skipped_enslaved = stats.skipped_enslaved;
        ret_ledger->skipped_stacked = stats.skipped_stacked;
        ret_ledger->skipped_address = stats.skipped_address;
        ret_ledger->tunnel_inner = stats.tunnel_inner;
        ret_ledger->seen += stats.pending;
        ret_ledger->unattributed[UNATTRIBUTED_PENDING] += stats.pending;
}

void engine_device(const struct engine *engine, struct source_device *ret_device) {
        *ret_device = (struct source_device){.name = "any", .link_type = ""};
        if (engine->source)
                source_device(engine->source, ret_device);
}

/* Of a source that lists none. */
static struct engine_device only_device(struct engine *engine) {
        struct source_device device;
        struct source_stats stats;

        engine_device(engine, &device);
        engine_source_stats(engine, &stats);
        return (struct engine_device){
                .name = device.name,
                .link_type = device.link_type,
                .state = device_state_name(engine->source             ? DEVICE_CAPTURING
                                           : *engine->last_error.text ? DEVICE_FAILED
                                                                      : DEVICE_STOPPED),
                .last_error = engine->last_error.text,
                .received = stats.received,
                .dropped = stats.dropped,
        };
}

bool engine_captures_on(const struct engine *engine, uint32_t ifindex) {
        const struct device *device;

        if (!engine->choice.devices)
                return true;
        device = device_list_find(engine->devices, ifindex);
        return device && device->handles > 0;
}

static size_t count_devices(const struct engine *engine, bool *ret_any_present) {
        const struct device *device;
        size_t n = 0;

        *ret_any_present = false;
        for (size_t cursor = 0; (device = device_list_next(engine->devices, &cursor)); n++)
                *ret_any_present = *ret_any_present || device->state != DEVICE_GONE;
        return n;
}

int engine_devices(struct engine *engine, struct engine_device **ret_devices, size_t *ret_n) {
        _cleanup_free_ struct engine_device *devices = NULL;
        const struct device *device;
        struct source_stats stats;
        bool any_present;
        size_t n = 0;

        engine_source_stats(engine, &stats); /* takes in what was dropped */
        devices = calloc(count_devices(engine, &any_present) + 1, sizeof(*devices));
        if (!devices)
                return -ENOMEM;
        if (engine->source ? !source_lists_devices(engine->source) : !any_present)
                devices[n++] = only_device(engine);
        for (size_t cursor = 0; (device = device_list_next(engine->devices, &cursor));)
                devices[n++] = (struct engine_device){
                        .name = device->name,
                        .link_type = device->link_type,
                        .state = device_state_name(device->state),
                        .last_error = device->last_error,
                        .received = device->received,
                        .dropped = device->dropped,
                };
        *ret_devices = TAKE_PTR(devices);
        *ret_n = n;
        return 0;
}
