/* SPDX-License-Identifier: MIT */

/* Prints what decoding each packet of savefiles says, a line each: see tests/golden/make.py. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode/decode.h"

static const char *format_address(const struct in6_addr *address, char text[INET6_ADDRSTRLEN]) {
        if (IN6_IS_ADDR_V4MAPPED(address))
                return inet_ntop(AF_INET, address->s6_addr + 12, text, INET6_ADDRSTRLEN);
        return inet_ntop(AF_INET6, address, text, INET6_ADDRSTRLEN);
}

static void print_flags(const struct packet *packet) {
        static const char *const types[] = {
                [PACKET_TYPE_UNKNOWN] = "",
                [PACKET_TYPE_TO_US] = " to-us",
                [PACKET_TYPE_OTHER] = " other",
                [PACKET_TYPE_FROM_US] = " from-us",
        };

        if (packet->connection_start)
                printf(" syn");
        if (packet->fragment != FRAGMENT_NONE)
                printf(" %s%" PRIu32, packet->fragment == FRAGMENT_FIRST ? "first" : "later",
                       packet->fragment_id);
        printf("%s", types[packet->type]);
        if (packet->ifindex != 0)
                printf(" if%" PRIu32, packet->ifindex);
        printf("\n");
}

static void print_packet(int link_type, const struct pcap_pkthdr *header, const u_char *data) {
        char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
        enum unattributed reason;
        struct packet packet;

        if (decode_packet(link_type, data, header->caplen, header->len, &packet, &reason) < 0)
                printf("%s %" PRIu32, unattributed_name(reason), packet.bytes);
        else
                printf("%s %u > %s %u %u %" PRIu32, format_address(&packet.key.local, local),
                       packet.key.local_port, format_address(&packet.key.remote, remote),
                       packet.key.remote_port, packet.key.protocol, packet.bytes);
        print_flags(&packet);
}

static int dump(const char *path) {
        const char *slash = strrchr(path, '/');
        char error[PCAP_ERRBUF_SIZE];
        struct pcap_pkthdr *header;
        const u_char *data;
        pcap_t *handle;
        int r;

        handle = pcap_open_offline(path, error);
        if (!handle) {
                fprintf(stderr, "%s: %s\n", path, error);
                return EXIT_FAILURE;
        }
        for (int n = 1; (r = pcap_next_ex(handle, &header, &data)) == 1; n++) {
                printf("%s %d ", slash ? slash + 1 : path, n);
                print_packet(pcap_datalink(handle), header, data);
        }
        if (r == PCAP_ERROR)
                fprintf(stderr, "%s: %s\n", path, pcap_geterr(handle));
        pcap_close(handle);
        return r == PCAP_ERROR ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv) {
        int status = EXIT_SUCCESS;

        for (int i = 1; i < argc; i++)
                if (dump(argv[i]) != EXIT_SUCCESS)
                        status = EXIT_FAILURE;
        return status;
}
