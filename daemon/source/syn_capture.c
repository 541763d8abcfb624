/* SPDX-License-Identifier: MIT */
#include "source/syn_capture.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <string.h>
#include <sys/socket.h>

#include "decode/decode.h"
#include "source/pcap_handle.h"

/* Room for about a thousand of them. When there are more at once than can be looked up, the newest are lost, and only
 * to this. */
#define RING_BYTES ((size_t) 256 << 10)

/* The loopback interface, in every network namespace: LOOPBACK_IFINDEX of net/flow.h. There, libpcap leaves out the
 * copy that goes out. */
#define LOOPBACK_IFINDEX 1

#define TCP_SYN 0x02

/* More than the ring has room for. */
#define ALL_PACKETS 4096

struct syn_capture {
        pcap_t *handle;
        struct drop_counter drops;

        /* for the reading under way */
        syn_handler handler;
        void *userdata;
};

#define AD(field) ((uint32_t) (SKF_AD_OFF + SKF_AD_##field))

/* Where the parts of the filter begin. It is given packets from the network header on, as any socket of packet(7) without
 * link headers is. */
enum {
        IPV4 = 6,
        IPV4_TCP = 13,
        IPV6 = 15,
        IPV6_TCP = 20,
        IPV4_UDP = 22,
        IPV6_UDP = 24,
        PORTS = 25, /* one for each that is excluded, then: */
        FILTER_MAX = PORTS + SYN_EXCLUDED_MAX + 2,
};

/* How far a jump at one instruction goes to get to another: from the next one on. */
#define BY(from, to) ((uint8_t) ((to) - (from) - 1))

/* TCP and UDP over IPv6 with extension headers before it are not looked for. Returns how many instructions it has. */
static unsigned short make_filter(struct sock_filter *code, const uint16_t *ports, size_t n) {
        const size_t accept = PORTS + n, drop = accept + 1;
        const struct sock_filter head[PORTS] = {
                /* sent by this host */
                {BPF_LD | BPF_B | BPF_ABS, 0, 0, AD(PKTTYPE)},
                {BPF_JMP | BPF_JEQ | BPF_K, BY(1, 4), 0, PACKET_OUTGOING},
                {BPF_LD | BPF_W | BPF_ABS, 0, 0, AD(IFINDEX)},
                {BPF_JMP | BPF_JEQ | BPF_K, 0, BY(3, drop), LOOPBACK_IFINDEX},
                {BPF_LD | BPF_H | BPF_ABS, 0, 0, AD(PROTOCOL)},
                {BPF_JMP | BPF_JEQ | BPF_K, 0, BY(5, IPV6), ETH_P_IP},
                /* no later fragment */
                [IPV4] = {BPF_LD | BPF_H | BPF_ABS, 0, 0, 6},
                {BPF_JMP | BPF_JSET | BPF_K, BY(7, drop), 0, 0x1fff},
                {BPF_LDX | BPF_B | BPF_MSH, 0, 0, 0},
                {BPF_LD | BPF_B | BPF_ABS, 0, 0, 9},
                {BPF_JMP | BPF_JEQ | BPF_K, BY(10, IPV4_TCP), 0, IPPROTO_TCP},
                {BPF_JMP | BPF_JEQ | BPF_K, BY(11, IPV4_UDP), BY(11, drop), IPPROTO_UDP},
                {BPF_RET | BPF_K, 0, 0, 0},
                [IPV4_TCP] = {BPF_LD | BPF_B | BPF_IND, 0, 0, 13},
                {BPF_JMP | BPF_JSET | BPF_K, BY(14, accept), BY(14, drop), TCP_SYN},
                [IPV6] = {BPF_JMP | BPF_JEQ | BPF_K, 0, BY(15, drop), ETH_P_IPV6},
                {BPF_LD | BPF_B | BPF_ABS, 0, 0, 6},
                {BPF_JMP | BPF_JEQ | BPF_K, BY(17, IPV6_TCP), 0, IPPROTO_TCP},
                {BPF_JMP | BPF_JEQ | BPF_K, BY(18, IPV6_UDP), BY(18, drop), IPPROTO_UDP},
                {BPF_RET | BPF_K, 0, 0, 0},
                [IPV6_TCP] = {BPF_LD | BPF_B | BPF_ABS, 0, 0, 40 + 13},
                {BPF_JMP | BPF_JSET | BPF_K, BY(21, accept), BY(21, drop), TCP_SYN},
                [IPV4_UDP] = {BPF_LD | BPF_H | BPF_IND, 0, 0, 0},
                {BPF_JMP | BPF_JA, 0, 0, BY(23, PORTS)},
                [IPV6_UDP] = {BPF_LD | BPF_H | BPF_ABS, 0, 0, 40},
        };

        memcpy(code, head, sizeof(head));
        for (size_t i = 0; i < n; i++)
                code[PORTS + i] =
                        (struct sock_filter){BPF_JMP | BPF_JEQ | BPF_K, BY(PORTS + i, drop), 0, ports[i]};
        code[accept] = (struct sock_filter){BPF_RET | BPF_K, 0, 0, SNAPLEN};
        code[drop] = (struct sock_filter){BPF_RET | BPF_K, 0, 0, 0};
        return (unsigned short) (drop + 1);
}

int syn_capture_exclude(struct syn_capture *capture, const uint16_t *ports, size_t n) {
        struct sock_filter code[FILTER_MAX];
        struct sock_fprog program = {.filter = code};

        program.len = make_filter(code, ports, MIN(n, (size_t) SYN_EXCLUDED_MAX));
        return setsockopt(pcap_fileno(capture->handle), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0
                       ? -errno
                       : 0;
}

static int attach(struct syn_capture *capture, struct source_error *ret_error) {
        int r;

        r = syn_capture_exclude(capture, &(uint16_t){0}, 0);
        if (r < 0) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "cannot install the filter for SYNs: %s",
                                strerror(-r));
                return r;
        }
        /* what came before the filter did */
        return syn_capture_read(capture, 0, NULL, NULL, ret_error);
}

int syn_capture_new(struct syn_capture **ret_capture, struct source_error *ret_error) {
        const struct pcap_handle_config config = {
                .device = PCAP_ANY, .snaplen = SNAPLEN, .ring_bytes = RING_BYTES, .immediate = true};
        _cleanup_(syn_capture_freep) struct syn_capture *capture = calloc(1, sizeof(*capture));
        int r;

        if (!capture) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text), "no memory to watch for SYNs");
                return -ENOMEM;
        }
        r = pcap_handle_activate(&config, &capture->handle, ret_error);
        if (r < 0)
                return r;
        r = attach(capture, ret_error);
        if (r < 0)
                return r;
        *ret_capture = TAKE_PTR(capture);
        return 0;
}

void syn_capture_free(struct syn_capture *capture) {
        if (!capture)
                return;
        pcap_handle_close(&capture->handle);
        free(capture);
}

int syn_capture_fd(const struct syn_capture *capture) {
        return pcap_get_selectable_fd(capture->handle);
}

/* The filter has seen to its flags; a fragment that begins it has them, too. */
int syn_parse(const uint8_t *data, size_t captured, size_t wire_length, uint64_t time_usec, struct syn *ret_syn) {
        enum unattributed reason;
        struct packet packet;

        if (decode_packet(DLT_LINUX_SLL2, data, captured, wire_length, &packet, &reason) < 0 ||
            (packet.key.protocol != IPPROTO_TCP && packet.key.protocol != IPPROTO_UDP) || packet.fragment == FRAGMENT_LATER)
                return -EBADMSG;
        *ret_syn = (struct syn){.key = packet.key, .ifindex = packet.ifindex, .time_usec = time_usec};
        return 0;
}

static void on_packet(u_char *userdata, const struct pcap_pkthdr *header, const u_char *data) {
        struct syn_capture *capture = (void *) userdata;
        struct syn syn;

        if (capture->handler && syn_parse(data, header->caplen, header->len, pcap_usec(header), &syn) >= 0)
                capture->handler(&syn, capture->userdata);
}

int syn_capture_read(struct syn_capture *capture, int max, syn_handler handler, void *userdata,
                     struct source_error *ret_error) {
        capture->handler = handler;
        capture->userdata = userdata;
        return pcap_handle_dispatch(capture->handle, PCAP_ANY, handler ? max : ALL_PACKETS, on_packet, (u_char *) capture,
                                    ret_error);
}

uint64_t syn_capture_dropped(struct syn_capture *capture) {
        return drop_counter_read(&capture->drops, capture->handle);
}
