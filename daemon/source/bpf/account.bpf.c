/* SPDX-License-Identifier: MIT */

/* Counts what sockets send and receive, for the process that uses each. Loaded by bpf_programs.c. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "account.h"
#include "books.bpf.h"
#include "closed.bpf.h"
#include "task.bpf.h"
#include "wire.bpf.h"

/* What the verifier wants for the helpers that read kernel memory; our own licence is MIT. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* A cgroup program lets pass (1) or drops (0). Nothing is ever dropped on our account. */
#define PASS 1

/* The storage of a socket that was there before us, or is one of the kernel's. */
static __noinline struct account_socket *socket_add(struct bpf_sock *sk) {
        struct account_socket new = {};

        if (!sk)
                return NULL;
        if (BPF_CORE_READ_BITFIELD_PROBED((struct sock *) kernel_pointer(sk), sk_kern_sock))
                new.owner = ACCOUNT_KERNEL;
        return socket_storage(sk, &new);
}

/* Makes the task that runs now the one that uses the socket. Not a kernel thread: those work for others. */
static __always_inline void settle_current(struct account_socket *socket, __u32 protocol, __u64 now_nsec) {
        struct task_struct *task = bpf_get_current_task_btf();

        if ((READ_ONCE(socket->owner) & ACCOUNT_STATE_MASK) == ACCOUNT_KERNEL || task->flags & PF_KTHREAD)
                return;
        settle(socket, owner_of_task(task, ACCOUNT_SETTLED), protocol, now_nsec);
}

/* Who is at the other end of a packet of a listening socket. */
static __always_inline bool handshake_key(struct __sk_buff *skb, bool out, struct account_handshake_key *key) {
        struct headers headers = {};
        __u32 *source = out ? key->local : key->remote, *destination = out ? key->remote : key->local;

        find_headers(skb, &headers);
        key->listener = bpf_get_socket_cookie(skb);
        if (is_ipv6(skb))
                return bpf_skb_load_bytes(skb, 8, source, 16) == 0 &&
                       bpf_skb_load_bytes(skb, 24, destination, 16) == 0 &&
                       bpf_skb_load_bytes(skb, headers.transport + (out ? 2 : 0), &key->remote_port, 2) == 0;
        return bpf_skb_load_bytes(skb, 12, &source[3], 4) == 0 &&
               bpf_skb_load_bytes(skb, 16, &destination[3], 4) == 0 &&
               bpf_skb_load_bytes(skb, headers.transport + (out ? 2 : 0), &key->remote_port, 2) == 0;
}

/* Keeps a packet of a listening socket for the connection it belongs to, or gives it to who listens. */
VERIFIED_ONCE int count_handshake(struct __sk_buff *skb, struct account_socket *socket,
                                  const struct amount *amount) {
        struct account_handshake_key key = {};
        struct account_handshake new = {}, *handshake;
        bool out = amount && amount->way & ACCOUNT_OUT;
        __u64 owner;

        if (!socket || !amount)
                return 0;
        owner = belated(skb, out);
        if (owner != 0) {
                book(owner, amount);
                return 0;
        }
        if (!handshake_key(skb, out, &key)) {
                book(key_of(socket->owner) ?: ACCOUNT_KEY_KERNEL, amount);
                return 0;
        }
        socket->listener = key.listener; /* which accepted sockets inherit */
        handshake = bpf_map_lookup_elem(&handshakes, &key);
        if (!handshake) {
                new.owner = socket->owner;
                new.since_nsec = amount->now_nsec;
                new.way = amount->way & ~ACCOUNT_OUT;
                bpf_map_update_elem(&handshakes, &key, &new, BPF_NOEXIST);
                handshake = bpf_map_lookup_elem(&handshakes, &key);
        }
        if (!handshake) { /* more of them than there is room for: a flood of SYNs. Whose this one will be is not known */
                book(ACCOUNT_KEY_OVERFLOW, amount);
                return 0;
        }
        gauge_add(ACCOUNT_TCP, amount->bytes);
        __sync_fetch_and_add(&handshake->bytes[out], amount->bytes);
        __sync_fetch_and_add(&handshake->packets[out], amount->packets);
        return 0;
}

static __always_inline void count_on(struct __sk_buff *skb, struct bpf_sock *sk, bool out,
                                     struct amount *amount) {
        struct account_socket *socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
        __u64 owner;

        if (!socket)
                socket = socket_add(sk);
        if (!socket) {
                book(ACCOUNT_KEY_OVERFLOW, amount);
                return;
        }
        if (sk->state == BPF_TCP_LISTEN && sk->protocol == IPPROTO_TCP) {
                count_handshake(skb, socket, amount);
                return;
        }
        if (out && sk->state == BPF_TCP_SYN_SENT && sk->protocol == IPPROTO_TCP)
                belated(skb, true); /* a SYN */
        if (out && task_sends(sk))
                settle_current(socket, amount->protocol, amount->now_nsec);
        owner = READ_ONCE(socket->owner);
        if (is_open(owner))
                pend(socket, amount);
        else if ((owner & ACCOUNT_STATE_MASK) != ACCOUNT_KERNEL)
                book_here(key_of(owner), amount);
        else
                book((out ? answered_for(skb) : 0) ?: ACCOUNT_KEY_KERNEL, amount);
}

static __always_inline int count(struct __sk_buff *skb, bool out) {
        struct bpf_sock *sk = skb->sk;
        struct amount amount = {
                .way = (out ? ACCOUNT_OUT : 0) | (is_ipv6(skb) ? ACCOUNT_IPV6 : 0) |
                       (skb->ifindex == LOOPBACK_IFINDEX ? ACCOUNT_LOOPBACK : 0),
                .now_nsec = bpf_ktime_get_coarse_ns(),
                .protocol = ACCOUNT_OTHER,
        };

        if (sk)
                sk = bpf_sk_fullsock(sk);
        if (sk)
                amount.protocol = protocol_of(sk->protocol);
        wire_length(skb, amount.protocol == ACCOUNT_TCP, out, &amount.bytes, &amount.packets);
        if (!sk) {
                book(ACCOUNT_KEY_KERNEL, &amount);
                return PASS;
        }
        count_on(skb, sk, out, &amount);
        return PASS;
}

SEC("cgroup_skb/ingress")
int count_in(struct __sk_buff *skb) {
        return count(skb, false);
}

SEC("cgroup_skb/egress")
int count_out(struct __sk_buff *skb) {
        return count(skb, true);
}

/* Who makes a socket is only who may use it: the manager of services makes them for others. */
SEC("cgroup/sock_create")
int socket_created(struct bpf_sock *sk) {
        struct account_socket new = {.owner = owner_of_task(bpf_get_current_task_btf(), ACCOUNT_OPEN)};

        socket_storage(sk, &new);
        return PASS;
}

/* Closed by its last holder without a byte sent or received by anyone. */
SEC("cgroup/sock_release")
int socket_released(struct bpf_sock *sk) {
        struct account_socket *socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);

        if (socket && is_open(READ_ONCE(socket->owner)) && sk->state != BPF_TCP_LISTEN)
                settle_current(socket, protocol_of(sk->protocol), bpf_ktime_get_ns());
        return PASS;
}

static __always_inline int used(struct bpf_sock_addr *address) {
        struct account_socket *socket;

        if (!address->sk)
                return PASS;
        socket = socket_storage(address->sk, NULL);
        if (socket)
                settle_current(socket, protocol_of(address->protocol), bpf_ktime_get_ns());
        return PASS;
}

SEC("cgroup/connect4")
int connected_4(struct bpf_sock_addr *address) {
        return used(address);
}

SEC("cgroup/connect6")
int connected_6(struct bpf_sock_addr *address) {
        return used(address);
}

SEC("cgroup/recvmsg4")
int received_4(struct bpf_sock_addr *address) {
        return used(address);
}

SEC("cgroup/recvmsg6")
int received_6(struct bpf_sock_addr *address) {
        return used(address);
}

/* Each word by itself, and nothing read in one branch that the other one reads from elsewhere: the compiler
 * would do it by arithmetic on the pointer, which the verifier does not allow. */
static __always_inline void connection_addresses(struct bpf_sock *sk, struct account_handshake_key *key) {
        __u32 local[4] = {READ_ONCE(sk->src_ip6[0]), READ_ONCE(sk->src_ip6[1]), READ_ONCE(sk->src_ip6[2]),
                          READ_ONCE(sk->src_ip6[3])};
        __u32 remote[4] = {READ_ONCE(sk->dst_ip6[0]), READ_ONCE(sk->dst_ip6[1]), READ_ONCE(sk->dst_ip6[2]),
                           READ_ONCE(sk->dst_ip6[3])};
        __u32 local_ipv4 = READ_ONCE(sk->src_ip4), remote_ipv4 = READ_ONCE(sk->dst_ip4);

        if (sk->family == AF_INET || (remote[0] == 0 && remote[1] == 0 && remote[2] == bpf_htonl(0xffff))) {
                key->local[3] = local_ipv4;
                key->remote[3] = remote_ipv4;
                return;
        }
        for (int i = 0; i < 4; i++) {
                key->local[i] = local[i];
                key->remote[i] = remote[i];
        }
}

/* No program sees a SYN-ACK with a SYN cookie leave, which the kernel sends without a socket, nor before Linux
 * 6.12 any of IPv6: there is one for each connection, and how long it was is told by the options that were
 * agreed on (tcp_synack_options() of the kernel). */
static __always_inline void add_unseen_synack(struct bpf_sock *sk, struct account_socket *socket,
                                              __u32 way) {
        struct tcp_sock *tcp = bpf_skc_to_tcp_sock(sk);
        struct amount amount = {
                .bytes = (way & ACCOUNT_IPV6 ? 40 : 20) + 20 + 4, /* IP and TCP headers, maximum segment size */
                .packets = 1,
                .way = way | ACCOUNT_OUT,
                .protocol = ACCOUNT_TCP,
                .now_nsec = bpf_ktime_get_ns(),
        };

        if (!tcp || tcp->fastopen_rsk)
                return;
        if (BPF_CORE_READ_BITFIELD(tcp, rx_opt.tstamp_ok))
                amount.bytes += 12; /* with the flag for SACK in its padding */
        else if (BPF_CORE_READ_BITFIELD(tcp, rx_opt.sack_ok))
                amount.bytes += 4;
        if (BPF_CORE_READ_BITFIELD(tcp, rx_opt.wscale_ok))
                amount.bytes += 4;
        pend(socket, &amount);
}

/* What the listening socket has kept for this connection is pending on its own socket from here on. */
static __always_inline void take_handshake(struct bpf_sock *sk, struct account_socket *socket) {
        struct account_handshake_key key = {.listener = socket->listener, .remote_port = sk->dst_port};
        struct account_handshake *handshake;
        __u64 now_nsec = bpf_ktime_get_ns();

        connection_addresses(sk, &key);
        handshake = bpf_map_lookup_elem(&handshakes, &key);
        if (!handshake)
                return;
        if (handshake->packets[0] >= 2 && handshake->packets[1] == 0) /* a SYN, and the ACK of what was not seen */
                add_unseen_synack(sk, socket, handshake->way);
        for (__u32 out = 0; out < 2; out++) {
                struct amount amount = {
                        .bytes = exchange(&handshake->bytes[out], 0),
                        .packets = exchange(&handshake->packets[out], 0),
                        .way = handshake->way | out,
                        .protocol = ACCOUNT_TCP,
                        .now_nsec = now_nsec,
                };

                gauge_add(ACCOUNT_TCP, -amount.bytes);
                pend(socket, &amount);
        }
        bpf_map_delete_elem(&handshakes, &key);
}

SEC("sockops")
int connection_accepted(struct bpf_sock_ops *ops) {
        struct account_socket *socket;
        struct bpf_sock *sk = ops->sk;

        if (ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB || !sk)
                return PASS;
        socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
        if (!socket)
                return PASS;
        if (READ_ONCE(room.sockets) >= room.max_sockets) { /* it has a copy of the one that listens */
                bpf_sk_storage_delete(&sockets, sk);
                return PASS;
        }
        __sync_fetch_and_add(&room.sockets, 1);
        if (socket->listener != 0)
                take_handshake(sk, socket);
        return PASS;
}

/* A task has read from a TCP socket. The lock tells that it was the task and not an interrupt, as above. */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(stream_read, struct sock *sk) {
        struct account_socket *socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);

        if (socket && sk->sk_lock.owned)
                settle_current(socket, ACCOUNT_TCP, bpf_ktime_get_ns());
        return 0;
}

/* TIME_WAIT takes the place of a socket before that is closed, and gets the packets that come in between. */
static __always_inline bool is_before_time_wait(int state) {
        return state == BPF_TCP_FIN_WAIT2 || state == BPF_TCP_CLOSING;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state_changed, struct sock *sk, int before, int now) {
        struct account_socket *socket;
        __u64 owner;

        if (sk->sk_protocol != IPPROTO_TCP || (now != BPF_TCP_LISTEN && now != BPF_TCP_CLOSE && !is_before_time_wait(now)))
                return 0;
        socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
        if (!socket)
                return 0;
        owner = READ_ONCE(socket->owner);
        if ((owner & ACCOUNT_STATE_MASK) == ACCOUNT_KERNEL)
                return 0;
        if (now == BPF_TCP_LISTEN) /* by listen(2): what is accepted is to be nobody's at first */
                exchange(&socket->owner, owner_of_task(bpf_get_current_task_btf(), ACCOUNT_OPEN));
        else if (now == BPF_TCP_CLOSE && before != BPF_TCP_LISTEN && is_open(owner) && !sk->sk_socket) /* over, and never accepted */
                settle(socket, key_of(owner) | (key_of(owner) ? ACCOUNT_SETTLED : ACCOUNT_KERNEL),
                       ACCOUNT_TCP, bpf_ktime_get_ns());
        owner = key_of(READ_ONCE(socket->owner));
        if (now != BPF_TCP_LISTEN && owner != 0 && before != BPF_TCP_LISTEN && before != BPF_TCP_SYN_SENT)
                remember_closed(sk, owner);
        return 0;
}

/* A packet that came and is done with, for which there was no socket, or only TIME_WAIT. Before Linux 6.11 it is not
 * told for which, and TIME_WAIT is no special reason. One of these two is loaded. */
SEC("tp_btf/kfree_skb")
int BPF_PROG(packet_dropped, struct sk_buff *skb, void *location, unsigned int reason) {
        if (reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NO_SOCKET) ||
            reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NOT_SPECIFIED))
                count_unseen(skb, false);
        return 0;
}

SEC("tp_btf/kfree_skb")
int BPF_PROG(packet_dropped_for, struct sk_buff *skb, void *location, unsigned int reason, struct sock *sk) {
        if (sk ? sk->__sk_common.skc_state == BPF_TCP_TIME_WAIT
               : reason == bpf_core_enum_value(enum skb_drop_reason, SKB_DROP_REASON_NO_SOCKET))
                count_unseen(skb, false);
        return 0;
}

/* What is answered in the name of TIME_WAIT, from Linux 6.13 on, and by IPv6 in nobody's, or there in that of a
 * listening socket, which is not who sends it. Else it is one of the kernel's sockets, and count_out() is shown it.
 * Once, where it leaves by the device that the route says, and not again at one that this lies on. */
SEC("tp_btf/net_dev_queue")
int BPF_PROG(packet_queued, struct sk_buff *skb) {
        struct sock *sk = skb->sk;
        struct dst_entry *route;
        __u8 state;

        state = sk ? sk->__sk_common.skc_state : BPF_TCP_LISTEN;
        if (state != BPF_TCP_TIME_WAIT && (state != BPF_TCP_LISTEN || skb->protocol != bpf_htons(0x86dd)))
                return 0;
        route = (void *) (skb->_skb_refdst & ~FLAGS_MASK);
        if (!route || BPF_CORE_READ(route, dev) == skb->dev)
                count_unseen(skb, true);
        return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(process_executed, struct task_struct *task) {
        __u64 key = owner_of_task(task, 0);
        struct account_process *process = bpf_map_lookup_elem(&processes, &key);

        if (process)
                describe(process, task);
        return 0;
}

/* The last thread of a process. Its sockets are still open then, and may move bytes for long after. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(process_exited, struct task_struct *task) {
        __u64 key = owner_of_task(task, 0);
        struct account_process *process;

        if (task->signal->live.counter != 0)
                return 0;
        process = bpf_map_lookup_elem(&processes, &key);
        if (!process)
                return 0;
        describe(process, task); /* it may have been moved to another cgroup since it began */
        process->exited = 1;
        return 0;
}

/* Run once, before anything is counted: the sockets that were there before us. One that several processes
 * hold is nobody's until one of them uses it. */
SEC("iter/task_file")
int find_sockets(struct bpf_iter__task_file *context) {
        struct task_struct *task = context->task;
        struct file *file = context->file;
        struct account_socket *socket;
        struct socket *inode;
        struct sock *sk;
        __u64 owner;

        if (!task || !file)
                return 0;
        inode = bpf_sock_from_file(file);
        sk = inode ? inode->sk : NULL;
        if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6))
                return 0;
        socket = socket_storage(sk, NULL);
        if (!socket)
                return 0;
        owner = socket->owner;
        if (owner == 0)
                socket->owner = owner_of_task(task, sk->__sk_common.skc_state == BPF_TCP_LISTEN
                                                            ? ACCOUNT_OPEN
                                                            : ACCOUNT_SETTLED);
        else if (key_of(owner) != owner_of_task(task, 0))
                socket->owner = key_of(owner) | ACCOUNT_OPEN;
        return 0;
}

/* Run now and then, to count the sockets, and when datagrams have waited for a while: there are ways to receive them
 * that we do not see, so that who made the socket is taken for who does. */
SEC("iter/bpf_sk_storage_map")
int settle_idle(struct bpf_iter__bpf_sk_storage_map *context) {
        struct account_socket *socket;
        struct sock *sk = context->sk;
        __u64 now_nsec = bpf_ktime_get_ns(), owner;

        if (!sk || !context->value)
                return 0;
        __sync_fetch_and_add(&room.counted, 1);
        if (sk->sk_protocol == IPPROTO_TCP)
                return 0;
        socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);
        if (!socket)
                return 0;
        owner = READ_ONCE(socket->owner);
        if (is_open(owner) && key_of(owner) && socket->since_nsec != 0 &&
            now_nsec - socket->since_nsec >= 1000000000)
                settle(socket, owner | ACCOUNT_SETTLED, protocol_of(sk->sk_protocol), now_nsec);
        return 0;
}
