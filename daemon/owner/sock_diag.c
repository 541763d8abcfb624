/* SPDX-License-Identifier: MIT */
#include "owner/sock_diag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <limits.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#define MESSAGE_BYTES 32768

/* Room for the answer about one socket, or for an error with what was asked. */
#define ANSWER_BYTES 1024u
_Static_assert(SOCK_DIAG_MANY * ANSWER_BYTES <= MESSAGE_BYTES, "there is room for the answers to many questions");

#define UNANSWERED INT_MIN

struct sock_diag {
        struct mnl_socket *socket; /* NULL: to be opened with the next request */
        bool elsewhere; /* it is in another network namespace: opened here, it would tell of others */
        uint32_t sequence;
        char buffer[MESSAGE_BYTES] __attribute__((aligned(8)));
};

int sock_diag_new(struct sock_diag **ret_diag) {
        struct sock_diag *diag = calloc(1, sizeof(*diag));

        if (!diag)
                return -ENOMEM;
        *ret_diag = diag;
        return 0;
}

static void disconnect(struct sock_diag *diag) {
        if (diag->socket)
                mnl_socket_close(TAKE_PTR(diag->socket));
}

void sock_diag_free(struct sock_diag *diag) {
        if (!diag)
                return;
        disconnect(diag);
        free(diag);
}

int sock_diag_new_on(int fd, struct sock_diag **ret_diag) {
        _cleanup_(sock_diag_freep) struct sock_diag *diag = NULL;
        int r;

        r = sock_diag_new(&diag);
        if (r < 0) {
                safe_close(fd);
                return r;
        }
        diag->elsewhere = true;
        diag->socket = mnl_socket_fdopen(fd);
        if (!diag->socket) {
                r = -errno;
                safe_close(fd);
                return r;
        }
        if (mnl_socket_bind(diag->socket, 0, MNL_SOCKET_AUTOPID) < 0)
                return -errno;
        *ret_diag = TAKE_PTR(diag);
        return 0;
}

bool sock_diag_supports(uint8_t protocol) {
        return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_UDPLITE;
}

/* The kernel answers within sendmsg(2), so an answer that is not there at once never comes: nothing here
 * waits. */
static int connect_diag(struct sock_diag *diag) {
        if (diag->socket)
                return 0;
        if (diag->elsewhere)
                return -ENOTCONN;
        diag->socket = mnl_socket_open2(NETLINK_SOCK_DIAG, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (!diag->socket)
                return -errno;
        if (mnl_socket_bind(diag->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
                int r = -errno;

                disconnect(diag);
                return r;
        }
        return 0;
}

static void set_address(struct in6_addr *address, uint8_t family, const uint32_t words[4]) {
        if (family == AF_INET)
                *address = (struct in6_addr){.s6_addr32 = {0, 0, htonl(0xffff), words[0]}};
        else
                memcpy(address, words, sizeof(*address));
}

int parse_inet_diag(const void *message, size_t length, struct socket_info *ret_socket) {
        const size_t header = NLMSG_ALIGN(sizeof(struct inet_diag_msg));
        const struct nlattr *attr;
        struct inet_diag_msg diag;
        struct socket_info socket;

        if (length < sizeof(diag))
                return -EBADMSG;
        memcpy(&diag, message, sizeof(diag));
        if (diag.idiag_family != AF_INET && diag.idiag_family != AF_INET6)
                return -EBADMSG;

        socket = (struct socket_info){
                .cookie = (uint64_t) diag.id.idiag_cookie[1] << 32 | diag.id.idiag_cookie[0],
                .inode = diag.idiag_inode,
                .uid = diag.idiag_uid,
                .state = diag.idiag_state,
                .local_port = ntohs(diag.id.idiag_sport),
                .ifindex = diag.id.idiag_if,
                .remote_port = ntohs(diag.id.idiag_dport),
        };
        set_address(&socket.local, diag.idiag_family, diag.id.idiag_src);
        set_address(&socket.remote, diag.idiag_family, diag.id.idiag_dst);
        if (length > header)
                for (attr = (const struct nlattr *) (const void *) ((const char *) message + header);
                     mnl_attr_ok(attr, (int) ((const char *) message + length - (const char *) attr));
                     attr = mnl_attr_next(attr))
                        if (mnl_attr_get_type(attr) == INET_DIAG_SKV6ONLY &&
                            mnl_attr_get_payload_len(attr) >= 1)
                                socket.ipv6_only = mnl_attr_get_u8(attr) != 0;

        *ret_socket = socket;
        return 0;
}

static void fill_addresses(struct inet_diag_sockid *id, const struct in6_addr *src, uint16_t sport,
                           const struct in6_addr *dst, uint16_t dport, bool ipv4) {
        id->idiag_sport = htons(sport);
        id->idiag_dport = htons(dport);
        memcpy(id->idiag_src, ipv4 ? src->s6_addr + 12 : src->s6_addr, ipv4 ? 4 : 16);
        memcpy(id->idiag_dst, ipv4 ? dst->s6_addr + 12 : dst->s6_addr, ipv4 ? 4 : 16);
}

/* AF_INET finds dual-stack sockets as well: the kernel's own lookup of an IPv4 packet does. TCP takes src
 * for the local end; UDP, whose lookup is written as for an incoming packet, for the remote one:
 * net/ipv4/inet_diag.c inet_diag_find_one_icsk(), net/ipv4/udp_diag.c udp_dump_one(). */
static void fill_request(struct inet_diag_req_v2 *request, const struct flow_key *key, uint32_t ifindex) {
        bool ipv4 = flow_key_is_ipv4(key);

        *request = (struct inet_diag_req_v2){
                .sdiag_family = ipv4 ? AF_INET : AF_INET6,
                .sdiag_protocol = key->protocol,
                .idiag_states = UINT32_MAX,
                .id = {.idiag_if = ifindex, .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}},
        };
        if (key->protocol == IPPROTO_TCP)
                fill_addresses(&request->id, &key->local, key->local_port, &key->remote, key->remote_port,
                               ipv4);
        else
                fill_addresses(&request->id, &key->remote, key->remote_port, &key->local, key->local_port,
                               ipv4);
}

static struct nlmsghdr *put_request(struct sock_diag *diag, void *place, uint16_t flags) {
        struct nlmsghdr *message = mnl_nlmsg_put_header(place);

        message->nlmsg_type = SOCK_DIAG_BY_FAMILY;
        message->nlmsg_flags = NLM_F_REQUEST | flags;
        message->nlmsg_seq = ++diag->sequence;
        return message;
}

static int send_requests(struct sock_diag *diag, const void *messages, size_t length) {
        int r;

        r = connect_diag(diag);
        if (r < 0)
                return r;
        if (mnl_socket_sendto(diag->socket, messages, length) < 0) {
                r = -errno;
                disconnect(diag);
                return r;
        }
        return 0;
}

/* Sockets gather here while answers are read. */
struct answers {
        struct socket_info *sockets;
        size_t n, max;
};

static int on_socket(const struct nlmsghdr *message, void *userdata) {
        struct answers *answers = userdata;
        struct socket_info socket;

        if (parse_inet_diag(mnl_nlmsg_get_payload(message), mnl_nlmsg_get_payload_len(message), &socket) < 0)
                return MNL_CB_OK;
        if (answers->n < answers->max)
                answers->sockets[answers->n] = socket;
        answers->n++;
        return MNL_CB_OK;
}

/* Reads what was answered to the last request, up to the end of its list. */
static int read_list(struct sock_diag *diag, struct answers *answers) {
        for (;;) {
                ssize_t n = mnl_socket_recvfrom(diag->socket, diag->buffer, sizeof(diag->buffer));
                int r;

                if (n < 0) {
                        r = -errno; /* ENOBUFS, or EAGAIN: the answer was lost */
                        disconnect(diag);
                        return r;
                }
                r = mnl_cb_run(diag->buffer, (size_t) n, diag->sequence, mnl_socket_get_portid(diag->socket),
                               on_socket, answers);
                if (r < 0 && errno == ENOENT)
                        return 0; /* there are none of that kind */
                if (r < 0) {
                        r = -errno;
                        disconnect(diag);
                        return r;
                }
                if (r == MNL_CB_STOP)
                        return 0;
        }
}

/* Returns as sock_diag_find(), out of the answer to the request of that sequence number. */
static int read_answer(struct sock_diag *diag, const void *message, size_t length, uint32_t sequence,
                       struct socket_info *ret_socket) {
        struct socket_info socket;
        struct answers answers = {.sockets = &socket, .max = 1};

        if (mnl_cb_run(message, length, sequence, mnl_socket_get_portid(diag->socket), on_socket, &answers) < 0)
                return errno == ENOENT ? 0 : -errno; /* there is no such socket */
        if (answers.n == 0)
                return 0;
        *ret_socket = socket;
        return 1;
}

/* The kernel answers in order, and each request with a message of its own. Returns 0, or why some have no answer. */
static int read_each(struct sock_diag *diag, struct sock_diag_question *questions, size_t n) {
        const uint32_t first = diag->sequence - (uint32_t) n + 1;
        struct mmsghdr messages[SOCK_DIAG_MANY] = {};
        struct iovec parts[SOCK_DIAG_MANY];
        int n_read, r = 0;

        for (size_t i = 0; i < n; i++) {
                parts[i] = (struct iovec){.iov_base = diag->buffer + i * ANSWER_BYTES, .iov_len = ANSWER_BYTES};
                messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
        }
        n_read = recvmmsg(mnl_socket_get_fd(diag->socket), messages, (unsigned) n, 0, NULL);
        if (n_read < 0)
                return -errno; /* ENOBUFS, or EAGAIN: they were lost */
        for (size_t i = 0; i < (size_t) n_read; i++) {
                questions[i].result = messages[i].msg_hdr.msg_flags & MSG_TRUNC
                                              ? -EMSGSIZE
                                              : read_answer(diag, parts[i].iov_base, messages[i].msg_len, first + (uint32_t) i,
                                                            &questions[i].socket);
                if (questions[i].result < 0)
                        r = questions[i].result;
        }
        return (size_t) n_read == n ? r : -EAGAIN;
}

void sock_diag_find_many(struct sock_diag *diag, struct sock_diag_question *questions, size_t n) {
        size_t length = 0;
        int r;

        for (size_t i = 0; i < n; i++) {
                struct nlmsghdr *message = put_request(diag, diag->buffer + length, 0);

                fill_request(mnl_nlmsg_put_extra_header(message, sizeof(struct inet_diag_req_v2)), questions[i].key,
                             questions[i].ifindex);
                length += NLMSG_ALIGN(message->nlmsg_len);
                questions[i].result = UNANSWERED;
        }
        r = send_requests(diag, diag->buffer, length);
        if (r >= 0) {
                r = read_each(diag, questions, n);
                if (r < 0)
                        disconnect(diag);
        }
        for (size_t i = 0; i < n; i++)
                if (questions[i].result == UNANSWERED)
                        questions[i].result = r;
}

int sock_diag_find(struct sock_diag *diag, const struct flow_key *key, uint32_t ifindex,
                   struct socket_info *ret_socket) {
        struct sock_diag_question question = {.key = key, .ifindex = ifindex};

        sock_diag_find_many(diag, &question, 1);
        if (question.result > 0)
                *ret_socket = question.socket;
        return question.result;
}

static int dump_bound(struct sock_diag *diag, uint8_t family, uint8_t protocol, uint16_t port,
                      uint32_t states, struct answers *answers) {
        /* "source port equals": the second word holds the port; both ways out lie behind the end, where 4
         * bytes too far means no: net/ipv4/inet_diag.c inet_diag_bc_run() */
        const struct inet_diag_bc_op filter[2] = {
                {.code = INET_DIAG_BC_S_EQ, .yes = 2 * sizeof(*filter), .no = 2 * sizeof(*filter) + 4},
                {.no = port},
        };
        struct nlmsghdr *message = put_request(diag, diag->buffer, NLM_F_DUMP);
        struct inet_diag_req_v2 *request = mnl_nlmsg_put_extra_header(message, sizeof(*request));
        int r;

        request->sdiag_family = family;
        request->sdiag_protocol = protocol;
        request->idiag_states = states;
        if (port != 0)
                mnl_attr_put(message, INET_DIAG_REQ_BYTECODE, sizeof(filter), filter);
        r = send_requests(diag, message, message->nlmsg_len);
        return r < 0 ? r : read_list(diag, answers);
}

int sock_diag_bound(struct sock_diag *diag, uint8_t protocol, uint16_t port, uint32_t states,
                    struct socket_info *ret_sockets, size_t max) {
        struct answers answers = {.sockets = ret_sockets, .max = max};
        int r;

        r = dump_bound(diag, AF_INET, protocol, port, states, &answers);
        if (r < 0)
                return r;
        r = dump_bound(diag, AF_INET6, protocol, port, states, &answers);
        return r < 0 ? r : (int) answers.n;
}
