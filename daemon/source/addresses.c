/* SPDX-License-Identifier: MIT */
#include "source/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "util/parse.h"
#include "util/strv.h"

static int refuse(const char *text, struct source_error *ret_error) {
        (void) snprintf(
                ret_error->text, sizeof(ret_error->text),
                "address \"%.64s\": neither an IPv4 nor an IPv6 address, with or without a prefix length",
                text);
        return -EINVAL;
}

/* Sets the address v4-mapped and *ret_width to how many bits are its own. */
static bool parse_address(const char *text, struct in6_addr *ret_address, uint32_t *ret_width) {
        struct in6_addr address = {.s6_addr = {[10] = 0xff, 0xff}};

        if (inet_pton(AF_INET, text, address.s6_addr + 12) == 1)
                *ret_width = 32;
        else if (inet_pton(AF_INET6, text, &address) == 1)
                *ret_width = 128;
        else
                return false;
        *ret_address = address;
        return true;
}

static int parse(const char *text, struct in6_addr *ret_address, uint8_t *ret_bits,
                 struct source_error *ret_error) {
        const char *slash = strchr(text, '/');
        size_t length = slash ? (size_t) (slash - text) : strlen(text);
        char address[INET6_ADDRSTRLEN + 1];
        uint32_t width, bits;

        if (length >= sizeof(address))
                return refuse(text, ret_error);
        memcpy(address, text, length);
        address[length] = '\0';
        if (!parse_address(address, ret_address, &width))
                return refuse(text, ret_error);
        bits = width;
        if (slash && parse_u32(slash + 1, 0, width, &bits) < 0)
                return refuse(text, ret_error);
        *ret_bits = (uint8_t) (128 - width + bits);
        return 0;
}

int addresses_parse(const char *const *texts, struct addresses *ret_addresses,
                    struct source_error *ret_error) {
        struct addresses addresses = {.n = strv_length(texts)};

        if (addresses.n > ADDRESSES_MAX) {
                (void) snprintf(ret_error->text, sizeof(ret_error->text),
                                "%zu addresses are named, but at most %d can be", addresses.n,
                                ADDRESSES_MAX);
                return -EINVAL;
        }
        for (size_t i = 0; i < addresses.n; i++) {
                int r = parse(texts[i], &addresses.each[i].address, &addresses.each[i].bits, ret_error);

                if (r < 0)
                        return r;
        }
        *ret_addresses = addresses;
        return 0;
}

static bool same_prefix(const struct in6_addr *a, const struct in6_addr *b, uint8_t bits) {
        uint8_t mask = (uint8_t) (0xff00 >> bits % 8);

        return memcmp(a, b, bits / 8) == 0 &&
               (bits % 8 == 0 || ((a->s6_addr[bits / 8] ^ b->s6_addr[bits / 8]) & mask) == 0);
}

bool addresses_have(const struct addresses *addresses, const struct in6_addr *address) {
        for (size_t i = 0; i < addresses->n; i++)
                if (same_prefix(address, &addresses->each[i].address, addresses->each[i].bits))
                        return true;
        return false;
}
