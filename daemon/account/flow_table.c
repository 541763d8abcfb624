/* SPDX-License-Identifier: MIT */
#include "account/flow_table.h"

#include <errno.h>

struct flow_table {
        struct hash_table *flows;
        struct flow *touched;
        struct flow *oldest, *newest; /* of those with nothing pending */
        uint64_t tick;
};

int flow_table_new(uint32_t max_flows, struct flow_table **ret_table) {
        _cleanup_(flow_table_freep) struct flow_table *table = calloc(1, sizeof(*table));
        int r;

        if (!table)
                return -ENOMEM;
        r = hash_table_new(sizeof(struct flow), sizeof(struct flow_key), max_flows, &table->flows);
        if (r < 0)
                return r;

        *ret_table = TAKE_PTR(table);
        return 0;
}

void flow_table_free(struct flow_table *table) {
        struct flow *flow;
        uint32_t cursor = 0;

        if (!table)
                return;
        while (table->flows && (flow = hash_table_next(table->flows, &cursor)))
                traffic_done(&flow->pending);
        hash_table_free(table->flows);
        free(table);
}

static void link_still(struct flow_table *table, struct flow *flow) {
        flow->newer = NULL;
        flow->older = table->newest;
        *(table->newest ? &table->newest->newer : &table->oldest) = flow;
        table->newest = flow;
}

static void unlink_still(struct flow_table *table, struct flow *flow) {
        *(flow->older ? &flow->older->newer : &table->oldest) = flow->newer;
        *(flow->newer ? &flow->newer->older : &table->newest) = flow->older;
}

static void forget(struct flow_table *table, struct flow *flow) {
        unlink_still(table, flow);
        traffic_done(&flow->pending);
        hash_table_remove(table->flows, flow);
}

struct flow *flow_table_find(const struct flow_table *table, const struct flow_key *key) {
        return hash_table_find(table->flows, key);
}

int flow_table_get(struct flow_table *table, const struct flow_key *key, struct flow **ret_flow) {
        struct flow *flow = hash_table_find(table->flows, key);

        if (!flow) {
                void *entry;
                int r;

                if (hash_table_size(table->flows) == hash_table_capacity(table->flows)) {
                        if (!table->oldest)
                                return -ENOSPC;
                        forget(table, table->oldest);
                }
                r = hash_table_add(table->flows, key, &entry);
                if (r < 0)
                        return r;
                flow = entry;
                link_still(table, flow);
        }
        flow->used_tick = table->tick;

        *ret_flow = flow;
        return 0;
}

void flow_table_touch(struct flow_table *table, struct flow *flow) {
        if (flow->touched)
                return;
        unlink_still(table, flow);
        flow->touched = true;
        flow->next_touched = table->touched;
        table->touched = flow;
}

struct flow *flow_table_take_touched(struct flow_table *table) {
        for (struct flow *flow = table->touched; flow; flow = flow->next_touched) {
                flow->touched = false;
                link_still(table, flow);
        }
        return TAKE_PTR(table->touched);
}

void flow_table_sweep(struct flow_table *table, uint64_t idle_ticks) {
        struct flow *flow;
        uint32_t cursor = 0;

        table->tick++;
        while ((flow = hash_table_next(table->flows, &cursor))) {
                if (!flow->touched && table->tick - flow->used_tick > idle_ticks) {
                        forget(table, flow);
                        continue;
                }
                if (flow->process && flow->process->departed) {
                        flow->process = NULL;
                        if (flow->state == FLOW_OWNED || flow->state == FLOW_FOUND)
                                flow->state = FLOW_NEW;
                }
        }
}

struct flow *flow_table_next(const struct flow_table *table, uint32_t *cursor) {
        return hash_table_next(table->flows, cursor);
}

uint32_t flow_table_size(const struct flow_table *table) {
        return hash_table_size(table->flows);
}
