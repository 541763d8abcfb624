/* SPDX-License-Identifier: MIT */

/* Tells which process uses which socket, and from when to when, for packets that are counted elsewhere. Loaded
 * by owner/owner_events.c. Told is what changes, so that a packet costs one look at the socket's storage. */
#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "cgroups.bpf.h"
#include "owners.h"
#include "task.bpf.h"

/* What the verifier wants for the helpers that read kernel memory; our own licence is MIT. */
char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define AF_INET  2
#define AF_INET6 10

/* A cgroup program lets pass (1) or drops (0). Nothing is ever dropped on our account. */
#define PASS 1

/* A socket that two processes use by turns would fill the ring: after so many it is simply shared. */
#define CHANGES_MAX 64

/* Set before loading: inode number of the network namespace whose sockets are told of. */
const volatile __u32 network_namespace = 0;

/* Events that there was no room for; and what is counted up to be told of all sockets once more. */
__u64 lost;
__u32 epoch = 1; /* 0: of a socket that nothing was told of */

struct {
        __uint(type, BPF_MAP_TYPE_RINGBUF);
        __uint(max_entries, 1 << 20);
} events SEC(".maps");

struct {
        __uint(type, BPF_MAP_TYPE_SK_STORAGE);
        __uint(map_flags, BPF_F_NO_PREALLOC);
        __type(key, int);
        __type(value, struct owner_socket);
} sockets SEC(".maps");

/* --- what is told ------------------------------------------------------------------------------------------ */

static __always_inline void map_ipv4(__u32 *words, __u32 address) {
        words[2] = bpf_htonl(0xffff);
        words[3] = address;
}

/* An IPv6 socket that is connected over IPv4 has v4-mapped addresses, not all of them at any time. */
static __always_inline void take_tuple(struct owner_event *event, struct sock *sk) {
        struct in6_addr local, remote;

        event->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
        event->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
        BPF_CORE_READ_INTO(&local, sk, __sk_common.skc_v6_rcv_saddr);
        BPF_CORE_READ_INTO(&remote, sk, __sk_common.skc_v6_daddr);
        if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET ||
            (remote.in6_u.u6_addr32[0] == 0 && remote.in6_u.u6_addr32[1] == 0 && remote.in6_u.u6_addr32[2] == bpf_htonl(0xffff))) {
                map_ipv4(event->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
                map_ipv4(event->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
                return;
        }
        for (int i = 0; i < 4; i++) {
                event->local[i] = local.in6_u.u6_addr32[i];
                event->remote[i] = remote.in6_u.u6_addr32[i];
        }
        if (BPF_CORE_READ_BITFIELD_PROBED(sk, __sk_common.skc_ipv6only))
                event->flags |= OWNER_EVENT_IPV6_ONLY;
}

static __always_inline void take_process(struct owner_event *event, struct task_struct *task) {
        struct task_struct *leader = task->group_leader;

        event->process = owner_of_task(task, 0);
        event->uid = task->cred->euid.val;
        event->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
        keep_cgroup(event->cgroup_id); /* of who runs now, and nobody else */
        bpf_probe_read_kernel_str(event->name, sizeof(event->name), leader->comm);
}

static __always_inline void describe(struct owner_event *event, struct sock *sk, __u64 cookie, __u32 kind) {
        event->time_nsec = bpf_ktime_get_ns();
        event->cookie = cookie;
        event->kind = kind;
        event->protocol = BPF_CORE_READ(sk, sk_protocol);
        take_tuple(event, sk);
}

/* Tells of a socket; by whom is the task that runs now, or nobody. Returns false when there was no room. */
static __noinline bool tell(struct sock *sk, __u64 cookie, __u32 kind, __u32 flags, bool by_current) {
        struct owner_event event = {.flags = flags};

        describe(&event, sk, cookie, kind);
        if (by_current)
                take_process(&event, bpf_get_current_task_btf());
        if (bpf_ringbuf_output(&events, &event, sizeof(event), BPF_RB_NO_WAKEUP) == 0)
                return true;
        __sync_fetch_and_add(&lost, 1);
        return false;
}

/* --- what is known of a socket ----------------------------------------------------------------------------- */

/* Each word by itself: the compiler would do it by arithmetic on the pointer otherwise, which the verifier does
 * not allow. */
static __always_inline __u32 fold(const struct bpf_sock *sk) {
        __u32 ipv4 = READ_ONCE(sk->src_ip4) ^ READ_ONCE(sk->dst_ip4);
        __u32 local = READ_ONCE(sk->src_ip6[0]) ^ READ_ONCE(sk->src_ip6[1]) ^ READ_ONCE(sk->src_ip6[2]) ^
                      READ_ONCE(sk->src_ip6[3]);
        __u32 remote = READ_ONCE(sk->dst_ip6[0]) ^ READ_ONCE(sk->dst_ip6[1]) ^ READ_ONCE(sk->dst_ip6[2]) ^
                       READ_ONCE(sk->dst_ip6[3]);

        return sk->family == AF_INET ? ipv4 : local ^ remote;
}

static __always_inline void remember_ends(struct owner_socket *socket, const struct bpf_sock *sk) {
        socket->addresses = fold(sk);
        socket->remote_port = sk->dst_port;
        socket->local_port = sk->src_port;
}

/* Of another network namespace, another protocol, or one of the kernel itself: that is looked up once. */
static __noinline int examine(struct owner_socket *socket, struct sock *sk) {
        __u16 protocol = BPF_CORE_READ(sk, sk_protocol);
        bool ours = (protocol == IPPROTO_TCP || protocol == IPPROTO_UDP) &&
                    BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum) == network_namespace &&
                    !BPF_CORE_READ_BITFIELD_PROBED(sk, sk_kern_sock);

        socket->whose = ours ? OWNER_SOCKET_OURS : OWNER_SOCKET_NOT_OURS;
        return ours;
}

static __always_inline bool is_ours(struct owner_socket *socket, void *sk) {
        if (socket->whose == OWNER_SOCKET_NEW)
                return examine(socket, kernel_pointer(sk));
        return socket->whose == OWNER_SOCKET_OURS;
}

static __always_inline bool is_current(const struct owner_socket *socket, __u64 owner) {
        return socket->owner == owner && socket->epoch == READ_ONCE(epoch);
}

/* The task that runs now uses the socket. Not a kernel thread: those work for others. */
static __noinline int use(struct owner_socket *socket, struct sock *sk, __u64 cookie, __u32 flags) {
        struct task_struct *task = bpf_get_current_task_btf();
        __u64 owner = owner_of_task(task, ACCOUNT_SETTLED);
        __u32 kind = OWNER_EVENT_USED;

        if (socket->owner != 0 && socket->owner != owner && socket->changes < CHANGES_MAX)
                socket->changes++;
        if (socket->changes == CHANGES_MAX) {
                if (is_current(socket, ACCOUNT_KERNEL))
                        return 0;
                owner = ACCOUNT_KERNEL;
                kind = OWNER_EVENT_MANY;
        }
        if (!tell(sk, cookie, kind, flags, kind == OWNER_EVENT_USED))
                return 0;
        socket->owner = owner;
        socket->epoch = READ_ONCE(epoch);
        return 1;
}

/* --- who uses it ------------------------------------------------------------------------------------------- */

static __always_inline bool same_ends(const struct owner_socket *socket, const struct bpf_sock *sk) {
        __u16 remote_port = sk->dst_port, local_port = sk->src_port;

        return socket->addresses == fold(sk) && socket->remote_port == remote_port && socket->local_port == local_port;
}

/* A packet may go on by another one's doing: out of a queue to a program that decides about it (NFQUEUE), or when
 * its encryption is done, on top of whatever runs then. For TCP the lock tells, see task_sends(). Of a datagram of an
 * unconnected socket it is told by talked(), and of a connected one it is believed of who is in the socket's cgroup. */
static __always_inline bool task_may_send(struct __sk_buff *skb, struct bpf_sock *sk, struct task_struct *task) {
        if (sk->protocol == IPPROTO_TCP)
                return task_sends(sk);
        return sk->dst_port != 0 && bpf_skb_cgroup_id(skb) == task->cgroups->dfl_cgrp->kn->id;
}

SEC("cgroup_skb/egress")
int sent(struct __sk_buff *skb) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct owner_socket *socket;
        struct bpf_sock *sk = skb->sk;
        __u32 flags = 0;
        bool at_ends;

        if (sk)
                sk = bpf_sk_fullsock(sk);
        if (!sk || (sk->protocol != IPPROTO_TCP && sk->protocol != IPPROTO_UDP) || task->flags & PF_KTHREAD)
                return PASS;
        if (sk->protocol == IPPROTO_TCP && sk->state == BPF_TCP_LISTEN)
                return PASS;
        /* where there is no memory for it, it stays unknown */
        socket = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
        if (!socket || !is_ours(socket, sk) || socket->closed)
                return PASS;
        at_ends = same_ends(socket, sk);
        if (at_ends && is_current(socket, owner_of_task(task, ACCOUNT_SETTLED)))
                return PASS;
        if ((at_ends && is_current(socket, ACCOUNT_KERNEL)) || !task_may_send(skb, sk, task))
                return PASS;
        if (sk->protocol == IPPROTO_TCP && sk->state != BPF_TCP_SYN_SENT)
                flags = OWNER_EVENT_INCOMING;
        if (use(socket, kernel_pointer(sk), bpf_get_socket_cookie(skb), flags))
                remember_ends(socket, sk);
        return PASS;
}

/* A task sends or receives datagrams with an address, on a socket that has its port by now. */
static __always_inline int talked(struct bpf_sock_addr *address) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct bpf_sock *sk = address->sk;
        struct owner_socket *socket;
        bool at_ends;

        if (!sk || sk->protocol != IPPROTO_UDP || task->flags & PF_KTHREAD)
                return PASS;
        socket = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
        if (!socket || !is_ours(socket, sk))
                return PASS;
        at_ends = same_ends(socket, sk);
        if (at_ends && (is_current(socket, owner_of_task(task, ACCOUNT_SETTLED)) || is_current(socket, ACCOUNT_KERNEL)))
                return PASS;
        if (use(socket, kernel_pointer(sk), bpf_get_socket_cookie(address), 0))
                remember_ends(socket, sk);
        return PASS;
}

SEC("cgroup/sendmsg4")
int sending_4(struct bpf_sock_addr *address) {
        return talked(address);
}

SEC("cgroup/sendmsg6")
int sending_6(struct bpf_sock_addr *address) {
        return talked(address);
}

SEC("cgroup/recvmsg4")
int received_4(struct bpf_sock_addr *address) {
        return talked(address);
}

SEC("cgroup/recvmsg6")
int received_6(struct bpf_sock_addr *address) {
        return talked(address);
}

/* A task has read from a TCP socket. The lock tells that it was the task and not an interrupt, as in
 * task_sends(). */
SEC("tp_btf/tcp_rcv_space_adjust")
int BPF_PROG(stream_read, struct sock *sk) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct owner_socket *socket;

        if (!sk->sk_lock.owned || task->flags & PF_KTHREAD)
                return 0;
        socket = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
        if (socket && is_ours(socket, sk) && !socket->closed &&
            !is_current(socket, owner_of_task(task, ACCOUNT_SETTLED)) && !is_current(socket, ACCOUNT_KERNEL))
                use(socket, sk, bpf_get_socket_cookie(sk), OWNER_EVENT_INCOMING);
        return 0;
}

/* --- that it is there, and for how long -------------------------------------------------------------------- */

SEC("sockops")
int connection_accepted(struct bpf_sock_ops *ops) {
        struct owner_socket *socket;
        struct bpf_sock *sk = ops->sk;

        if (ops->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB || !sk)
                return PASS;
        socket = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
        if (socket && is_ours(socket, sk) &&
            tell(kernel_pointer(sk), bpf_get_socket_cookie(ops), OWNER_EVENT_SOCKET, OWNER_EVENT_INCOMING, false))
                remember_ends(socket, sk);
        return PASS;
}

/* Where several sockets have a port, it takes all of them to tell whose a datagram was. */
static __always_inline int bound(struct bpf_sock *sk) {
        struct owner_socket *socket;

        if (sk->protocol != IPPROTO_UDP)
                return PASS;
        socket = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
        if (socket && is_ours(socket, sk))
                tell(kernel_pointer(sk), bpf_get_socket_cookie(sk), OWNER_EVENT_SOCKET, 0, false);
        return PASS;
}

SEC("cgroup/post_bind4")
int bound_4(struct bpf_sock *sk) {
        return bound(sk);
}

SEC("cgroup/post_bind6")
int bound_6(struct bpf_sock *sk) {
        return bound(sk);
}

/* What is still sent after this is the end of a connection. */
SEC("cgroup/sock_release")
int released(struct bpf_sock *sk) {
        struct task_struct *task = bpf_get_current_task_btf();
        struct owner_socket *socket = bpf_sk_storage_get(&sockets, sk, NULL, 0);

        if (!socket || socket->whose != OWNER_SOCKET_OURS)
                return PASS;
        socket->closed = 1;
        tell(kernel_pointer(sk), bpf_get_socket_cookie(sk), OWNER_EVENT_CLOSED, 0, !(task->flags & PF_KTHREAD));
        return PASS;
}

/* Run at the start, and when events were lost: all sockets that somebody has a descriptor of. */
SEC("iter/task_file")
int list_sockets(struct bpf_iter__task_file *context) {
        struct task_struct *task = context->task;
        struct file *file = context->file;
        struct owner_event event = {};
        struct owner_socket *socket;
        struct socket *inode;
        struct sock *sk;

        if (!task || !file)
                return 0;
        inode = bpf_sock_from_file(file);
        sk = inode ? inode->sk : NULL;
        if (!sk || (sk->__sk_common.skc_family != AF_INET && sk->__sk_common.skc_family != AF_INET6) ||
            (sk->sk_protocol == IPPROTO_TCP && sk->__sk_common.skc_state == BPF_TCP_LISTEN))
                return 0;
        socket = bpf_sk_storage_get(&sockets, sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
        if (!socket || !is_ours(socket, sk))
                return 0;
        describe(&event, sk, bpf_get_socket_cookie(sk), OWNER_EVENT_HELD);
        take_process(&event, task);
        if (socket->owner != 0) {
                event.kind = socket->owner == ACCOUNT_KERNEL ? OWNER_EVENT_MANY : OWNER_EVENT_USED;
                if (event.process != (socket->owner & ~ACCOUNT_STATE_MASK)) { /* it was another one */
                        event.process = socket->owner & ~ACCOUNT_STATE_MASK;
                        event.name[0] = '\0';
                }
                socket->epoch = READ_ONCE(epoch);
        }
        bpf_seq_write(context->meta->seq, &event, sizeof(event));
        return 0;
}
