/* SPDX-License-Identifier: MIT */
#pragma once

/* Whose doing it is: the task that runs now, and when that tells whose packet this is. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "account.h"

/* Set before loading. */
const volatile __u64 nsec_per_tick = 10000000; /* of the clock that proc(5) gives start times in */

/* The kernel's own pointer behind one that the verifier only lets go to certain helpers. It is read back from
 * the stack as a number, which bpf_probe_read_kernel() takes. */
static __always_inline void *kernel_pointer(void *pointer) {
        void *stored = pointer;
        __u64 number = 0;

        bpf_probe_read_kernel(&number, sizeof(number), &stored);
        return (void *) number;
}

static __always_inline __u64 owner_of_task(struct task_struct *task, enum account_state state) {
        struct task_struct *leader = task->group_leader;

        return leader->start_boottime / nsec_per_tick << ACCOUNT_TICKS_SHIFT |
               (__u64) (__u32) task->tgid << ACCOUNT_PID_SHIFT | state;
}

/* Is the packet sent by the task that runs now? TCP also sends from interrupts, whoever runs then: there the
 * task holds the socket's lock exactly when it is its doing, as all that comes in between waits in the
 * backlog, which it works off itself. Datagrams are sent by who sends them. */
static __always_inline bool task_sends(struct bpf_sock *sk) {
        if (sk->protocol == IPPROTO_TCP) {
                struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);

                return tcp && tcp->inet_conn.icsk_inet.sk.sk_lock.owned;
        }
        if (sk->protocol == IPPROTO_SCTP) /* likewise */
                return BPF_CORE_READ((struct sock *) kernel_pointer(sk), sk_lock.owned);
        return true;
}
