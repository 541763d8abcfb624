/* SPDX-License-Identifier: MIT */
#pragma once

/* The few members of kernel structures that the programs read, by hand, so that building needs no BTF of any
 * kernel: where each one really is, libbpf looks up in the BTF of the kernel that it loads into (CO-RE). What
 * is ABI (contexts, constants) comes from linux/bpf.h. */
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/types.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* linux/sched.h */
typedef struct {
        int counter;
} atomic_t;

struct signal_struct {
        atomic_t live; /* threads of the group that have not exited */
};

typedef struct {
        __u32 val;
} kuid_t;

struct cred {
        kuid_t euid;
};

struct kernfs_node {
        __u64 id; /* of a cgroup: its directory's inode number */
        const char *name;
};

struct cgroup;

struct cgroup_subsys_state {
        struct cgroup *cgroup;
        struct cgroup_subsys_state *parent; /* NULL: the root */
};

struct cgroup {
        struct cgroup_subsys_state self;
        struct kernfs_node *kn;
};

struct css_set {
        struct cgroup *dfl_cgrp; /* in the cgroup2 hierarchy */
};

#define PF_KTHREAD 0x00200000

struct task_struct {
        unsigned int flags;
        int tgid; /* in the initial PID namespace */
        __u64 start_boottime; /* ns, CLOCK_BOOTTIME */
        char comm[16];
        struct task_struct *group_leader;
        struct signal_struct *signal;
        const struct cred *cred;
        struct css_set *cgroups;
};

/* net/net_namespace.h, linux/ns_common.h, net/sock.h */
struct ns_common {
        unsigned int inum; /* the inode number of /proc/PID/ns/net */
};

struct net {
        struct ns_common ns;
        __u64 net_cookie;
};

typedef struct {
        struct net *net;
} possible_net_t;

struct sock_common {
        __be32 skc_daddr, skc_rcv_saddr;
        __be16 skc_dport;
        __u16 skc_num; /* local port, host order */
        unsigned short skc_family;
        volatile unsigned char skc_state;
        unsigned char skc_ipv6only : 1;
        possible_net_t skc_net;
        struct in6_addr skc_v6_daddr, skc_v6_rcv_saddr;
};

typedef struct {
        int owned; /* a task holds the lock; what arrives meanwhile waits in the backlog until it lets go */
} socket_lock_t;

struct socket;

struct sock {
        struct sock_common __sk_common;
        socket_lock_t sk_lock;
        __u8 sk_kern_sock : 1;
        __u16 sk_protocol;
        struct socket *sk_socket; /* NULL: not accepted yet, or closed */
};

struct socket {
        struct sock *sk;
};

struct inet_sock {
        struct sock sk;
        __be16 inet_sport;
};

struct inet_connection_sock {
        struct inet_sock icsk_inet;
};

/* linux/tcp.h */
struct tcp_options_received {
        __u16 tstamp_ok : 1, wscale_ok : 1, sack_ok : 3; /* what both ends want to use */
};

struct request_sock;

struct tcp_sock {
        struct inet_connection_sock inet_conn;
        struct tcp_options_received rx_opt;
        struct request_sock *fastopen_rsk; /* not NULL: a connection by TCP Fast Open */
};

/* linux/skbuff.h, net/dst.h, net/route.h, net/ip.h, linux/ipv6.h */
struct net_device {
        unsigned int mtu;
        int ifindex;
        possible_net_t nd_net;
};

struct dst_entry {
        struct net_device *dev;
        unsigned long _metrics; /* a pointer to RTAX_MAX numbers, with flags in its last bits */
};

struct rtable {
        struct dst_entry dst;
        __u32 rt_pmtu : 31; /* 0: no other than the route's or the device's */
};

struct sk_buff {
        struct net_device *dev;
        struct sock *sk; /* also a small one, of TIME_WAIT */
        unsigned int len; /* from data on */
        __be16 protocol;
        __u16 transport_header, network_header; /* from head on */
        unsigned char *head, *data;
        unsigned long _skb_refdst; /* a pointer to its dst_entry, with flags in its last bits */
        char cb[48];               /* inet_skb_parm, inet6_skb_parm while it is in the IP layer */
};

struct inet_skb_parm {
        __u16 frag_max_size; /* the longest fragment that it was put together from; 0: none */
};

struct inet6_skb_parm {
        __u16 frag_max_size;
};

/* net/dropreason-core.h; the numbers differ */
enum skb_drop_reason {
        SKB_DROP_REASON_NOT_SPECIFIED = 2,
        SKB_DROP_REASON_NO_SOCKET,
};

/* Contexts of iterators, kernel/bpf/task_iter.c and net/core/bpf_sk_storage.c */
struct file;
struct bpf_map;
struct seq_file;

struct bpf_iter_meta {
        struct seq_file *seq;
};

struct bpf_iter__task_file {
        struct bpf_iter_meta *meta;
        struct task_struct *task;
        __u32 fd;
        struct file *file;
};

struct bpf_iter__bpf_sk_storage_map {
        struct bpf_iter_meta *meta;
        struct bpf_map *map;
        struct sock *sk;
        void *value;
};

#pragma clang attribute pop

#define READ_ONCE(variable)      (*(volatile typeof(variable) *) &(variable))
#define WRITE_ONCE(variable, to) (*(volatile typeof(variable) *) &(variable) = (to))
#define exchange(pointer, value) __sync_lock_test_and_set(pointer, value)

/* Functions of this kind are global: the verifier looks at each once, and not again for each way that leads to
 * it, which would take seconds. They get pointers that may be NULL and return a number. */
#define VERIFIED_ONCE __attribute__((noinline))
