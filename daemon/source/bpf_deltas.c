/* SPDX-License-Identifier: MIT */
#include "source/bpf_deltas.h"

#include <errno.h>
#include <string.h>

#include "util/hash_table.h"

/* An entry of a process that has exited goes after so many reads without a change, one that has not after
 * more: if it moves again it is made anew. */
#define EXITED_READS 2u
#define SILENT_READS 120u

/* In every network namespace: net/loopback.h of the kernel. */
#define LOOPBACK_IFINDEX 1

struct previous {
        uint64_t key; /* key */
        struct account_counters banks[2];
        uint32_t silent; /* reads without a change */
};

struct bpf_deltas {
        struct hash_table *previous;
};

int bpf_deltas_new(uint32_t max_entries, struct bpf_deltas **ret_deltas) {
        _cleanup_(bpf_deltas_freep) struct bpf_deltas *deltas = calloc(1, sizeof(*deltas));
        int r;

        if (!deltas)
                return -ENOMEM;
        r = hash_table_new(sizeof(struct previous), sizeof(uint64_t), max_entries, &deltas->previous);
        if (r < 0)
                return r;
        *ret_deltas = TAKE_PTR(deltas);
        return 0;
}

void bpf_deltas_free(struct bpf_deltas *deltas) {
        if (!deltas)
                return;
        hash_table_free(deltas->previous);
        free(deltas);
}

static bool is_process(uint64_t key) {
        return key != 0 && (key & ACCOUNT_STATE_MASK) == 0;
}

static struct process_id id_of(uint64_t key) {
        return (struct process_id){.start_ticks = key >> ACCOUNT_TICKS_SHIFT,
                                   .pid = (uint32_t) (key >> ACCOUNT_PID_SHIFT & ACCOUNT_PID_MASK)};
}

static void describe(struct sample_owner *owner, uint64_t key, const struct account_process *process,
                     const char *cgroup) {
        *owner = (struct sample_owner){.id = id_of(key)};
        if (process->name[0] == '\0') /* it was never seen running: nothing is known of it */
                return;
        memcpy(owner->name, process->name, sizeof(owner->name) - 1);
        owner->uid_known = true;
        owner->uid = process->uid;
        owner->cgroup = cgroup;
}

static struct sample sample_of(unsigned cell, uint64_t time_usec, uint64_t bytes, uint32_t packets) {
        static const uint8_t protocols[] = {
                [ACCOUNT_TCP] = IPPROTO_TCP, [ACCOUNT_UDP] = IPPROTO_UDP, [ACCOUNT_OTHER] = 0 /* unknown */};
        unsigned way = cell % ACCOUNT_WAYS;
        struct sample sample = {
                .key.protocol = protocols[cell / ACCOUNT_WAYS],
                .time_usec = time_usec,
                .bytes = bytes,
                .packets = packets,
                .direction = way & ACCOUNT_OUT ? DIRECTION_OUT : DIRECTION_IN,
                .ifindex = way & ACCOUNT_LOOPBACK ? LOOPBACK_IFINDEX : 0,
                .loopback = way & ACCOUNT_LOOPBACK,
        };

        if (!(way & ACCOUNT_IPV6)) { /* no address, but which kind */
                sample.key.local.s6_addr[10] = sample.key.local.s6_addr[11] = 0xff;
                sample.key.remote = sample.key.local;
        }
        return sample;
}

static void hand_on(struct sample *sample, uint64_t key, const struct sample_owner *owner,
                    sample_handler handler, void *userdata, struct bpf_sums *sums) {
        if (is_process(key))
                sample->owner = owner;
        else {
                sample->keyless = true;
                sample->reason = key == ACCOUNT_KEY_OVERFLOW ? UNATTRIBUTED_OVERFLOW : UNATTRIBUTED_KERNEL;
        }
        sums->bytes += sample->bytes;
        sums->packets += sample->packets;
        handler(sample, userdata);
}

int bpf_deltas_take(struct bpf_deltas *deltas, uint64_t key, const struct account_process *now,
                    const char *cgroup, const uint64_t time_usec[2], sample_handler handler, void *userdata,
                    struct bpf_sums *sums) {
        struct previous *previous = hash_table_find(deltas->previous, &key);
        struct sample_owner owner;
        bool moved = false;
        void *entry;

        if (!previous) {
                if (hash_table_add(deltas->previous, &key, &entry) < 0)
                        return -ENOMEM;
                previous = entry;
        }
        describe(&owner, key, now, cgroup);
        for (unsigned bank = 0; bank < 2; bank++)
                for (unsigned cell = 0; cell < ACCOUNT_CELLS; cell++) {
                        const struct account_counters *new = &now->banks[bank];
                        struct account_counters *old = &previous->banks[bank];
                        uint64_t bytes = new->bytes[cell] - old->bytes[cell];
                        uint32_t packets = new->packets[cell] - old->packets[cell];
                        struct sample sample;

                        if (bytes == 0 && packets == 0)
                                continue;
                        moved = true;
                        old->bytes[cell] = new->bytes[cell];
                        old->packets[cell] = new->packets[cell];
                        sample = sample_of(cell, time_usec[bank], bytes, packets);
                        hand_on(&sample, key, &owner, handler, userdata, sums);
                }

        previous->silent = moved ? 0 : previous->silent + 1;
        return is_process(key) && previous->silent >= (now->exited ? EXITED_READS : SILENT_READS);
}

void bpf_deltas_forget(struct bpf_deltas *deltas, uint64_t key) {
        struct previous *previous = hash_table_find(deltas->previous, &key);

        if (previous)
                hash_table_remove(deltas->previous, previous);
}

void bpf_deltas_handshake(const struct account_handshake *handshake, uint64_t time_usec,
                          sample_handler handler, void *userdata, struct bpf_sums *sums) {
        uint64_t key = handshake->owner & ~ACCOUNT_STATE_MASK;
        struct sample_owner owner = {.id = id_of(key)};

        for (unsigned out = 0; out < 2; out++) {
                struct sample sample =
                        sample_of(ACCOUNT_CELL((unsigned) ACCOUNT_TCP, handshake->way | out) % ACCOUNT_CELLS,
                                  time_usec, handshake->bytes[out], handshake->packets[out]);

                if (sample.bytes > 0)
                        hand_on(&sample, key, &owner, handler, userdata, sums);
        }
}
