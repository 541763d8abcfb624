/* SPDX-License-Identifier: MIT */
#pragma once

/* The maps, and how bytes get into them: each once, to a process, to one of the two keys that stand for none,
 * or to what is pending on a socket. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "account.h"
#include "cgroups.bpf.h"
#include "task.bpf.h"

/* When the second under way began or ends, CLOCK_MONOTONIC in ns; the last bit is the bank for before. */
__u64 boundary;
struct account_gauge gauge;
struct account_room room;

/* Not LRU: what is evicted there is lost, and nobody knows. Allocated as it is needed. */
struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(max_entries, 16384);
        __type(key, __u64);
        __type(value, struct account_process);
} processes SEC(".maps");

/* CLONE: an accepted socket begins as a copy of the one that listens, and so knows who does. */
struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
        __type(key, int);
        __type(value, struct account_socket);
} sockets SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_HASH);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __uint(max_entries, ACCOUNT_HANDSHAKES_MAX);
        __type(key, struct account_handshake_key);
        __type(value, struct account_handshake);
} handshakes SEC(".maps");

static const struct account_process no_process;

/* The storage of a socket, made as `new` says where it has none, as long as there is room. */
#define socket_storage(sk, new)                                                                            \
        ({                                                                                                 \
                struct account_socket *_socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);                \
                                                                                                           \
                if (!_socket && READ_ONCE(room.sockets) < room.max_sockets) {                              \
                        _socket = bpf_sk_storage_get(&sockets, sk, new, BPF_SK_STORAGE_GET_F_CREATE);      \
                        if (_socket)                                                                       \
                                __sync_fetch_and_add(&room.sockets, 1);                                    \
                }                                                                                          \
                _socket;                                                                                   \
        })

/* So many bytes of one socket, in one direction. */
struct amount {
        __u64 bytes;
        __u32 packets;
        __u32 way;      /* ACCOUNT_OUT, ACCOUNT_IPV6, ACCOUNT_LOOPBACK */
        __u32 protocol; /* enum account_protocol */
        __u64 now_nsec; /* CLOCK_MONOTONIC */
};

static __always_inline __u32 protocol_of(__u32 number) {
        return number == IPPROTO_TCP ? ACCOUNT_TCP : number == IPPROTO_UDP ? ACCOUNT_UDP : ACCOUNT_OTHER;
}

static __always_inline bool is_open(__u64 owner) {
        return (owner & ACCOUNT_STATE_MASK) == ACCOUNT_OPEN;
}

/* The key of a process; 0: it is not known who. */
static __always_inline __u64 key_of(__u64 owner) {
        return owner & ~ACCOUNT_STATE_MASK;
}

static __always_inline void take_name(struct account_process *process, struct task_struct *task) {
        bpf_probe_read_kernel_str(process->name, sizeof(process->name), task->group_leader->comm);
}

/* The task is the one that runs now. */
static __always_inline void describe(struct account_process *process, struct task_struct *task) {
        process->uid = task->cred->euid.val;
        process->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
        take_name(process, task);
        keep_cgroup(process->cgroup_id);
}

/* Makes the entry of a process where it is not there yet, and names it when the process itself is what runs
 * now. Returns NULL when there is no room. */
static __noinline struct account_process *process_add(__u64 key) {
        struct account_process *process;
        struct task_struct *task;

        bpf_map_update_elem(&processes, &key, &no_process, BPF_NOEXIST);
        process = bpf_map_lookup_elem(&processes, &key);
        if (!process)
                return NULL;
        task = bpf_get_current_task_btf();
        if (owner_of_task(task, 0) == key)
                describe(process, task);
        return process;
}

static __always_inline __u32 bank_at(__u64 now_nsec) {
        __u64 word = READ_ONCE(boundary);

        return (word ^ (now_nsec >= word)) & 1;
}

/* In place, for what comes with nearly every packet: a call takes 10 ns of the 120. */
static __always_inline int book_here(__u64 key, const struct amount *amount) {
        struct account_counters *counters;
        struct account_process *process;
        __u32 cell;

        if (!amount)
                return 0;
        cell = ACCOUNT_CELL(amount->protocol, amount->way);
        process = bpf_map_lookup_elem(&processes, &key);
        if (!process || (process->name[0] == '\0' && (key & ACCOUNT_STATE_MASK) == 0))
                process = process_add(key);
        if (!process) {
                key = ACCOUNT_KEY_OVERFLOW;
                process = bpf_map_lookup_elem(&processes, &key);
        }
        if (!process || cell >= ACCOUNT_CELLS)
                return 0; /* cannot be: the source puts that entry there before it attaches us */
        counters = &process->banks[bank_at(amount->now_nsec)];
        __sync_fetch_and_add(&counters->bytes[cell], amount->bytes);
        __sync_fetch_and_add(&counters->packets[cell], amount->packets);
        return 0;
}

VERIFIED_ONCE int book(__u64 key, const struct amount *amount) {
        return book_here(key, amount);
}

static __always_inline void gauge_add(__u32 protocol, __u64 bytes) {
        __sync_fetch_and_add(&gauge.pending, bytes);
        if (protocol != ACCOUNT_TCP)
                __sync_fetch_and_add(&gauge.pending_idle, bytes);
}

/* Books what is pending on a socket. Taken out atomically: whoever gets it books it, and nobody else. */
VERIFIED_ONCE int flush(struct account_socket *socket, __u64 key, __u32 protocol, __u64 now_nsec) {
        if (!socket)
                return 0;
        for (__u32 way = 0; way < ACCOUNT_WAYS; way++) {
                struct amount amount = {.way = way, .protocol = protocol, .now_nsec = now_nsec};

                if (READ_ONCE(socket->pending_bytes[way]) == 0)
                        continue;
                amount.bytes = exchange(&socket->pending_bytes[way], 0);
                amount.packets = exchange(&socket->pending_packets[way], 0);
                book(key ?: ACCOUNT_KEY_KERNEL, &amount);
                gauge_add(protocol, -amount.bytes);
        }
        return 0;
}

/* Makes a process the one that uses the socket. */
static __always_inline void settle(struct account_socket *socket, __u64 owner, __u32 protocol,
                                   __u64 now_nsec) {
        __u64 before = READ_ONCE(socket->owner);

        if (before == owner)
                return;
        before = exchange(&socket->owner, owner);
        if (is_open(before) && socket->since_nsec != 0)
                flush(socket, key_of(owner), protocol, now_nsec);
}

/* Keeps bytes on the socket until it is known whose it is. That may be told at the same moment, on another
 * processor: either it sees these bytes, or we see that. */
static __always_inline void pend(struct account_socket *socket, const struct amount *amount) {
        __u32 way = amount->way & (ACCOUNT_WAYS - 1);
        __u64 owner;

        if (socket->since_nsec == 0)
                socket->since_nsec = amount->now_nsec;
        gauge_add(amount->protocol, amount->bytes);
        (void) __sync_fetch_and_add(&socket->pending_packets[way], amount->packets);
        (void) __sync_fetch_and_add(&socket->pending_bytes[way], amount->bytes);
        owner = __sync_fetch_and_add(&socket->owner, 0); /* a barrier, and the newest */
        if (!is_open(owner))
                flush(socket, key_of(owner), amount->protocol, amount->now_nsec);
}
