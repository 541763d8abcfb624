/* SPDX-License-Identifier: MIT */
#pragma once

/* Why bytes have no owner. Each is a key of the ledger, `unattributed-NAME`; the order is the ledger's own.
 */
#define UNATTRIBUTED_REASONS(X)                                                                        \
        X(PENDING, "pending", "waiting for an owner: for who takes the connection, for a look-up")     \
        X(NO_SOCKET, "no-socket", "no local socket had this flow when it was looked up")               \
        X(NO_PROCESS, "no-process", "a socket had it, but no visible process held that socket")        \
        X(SHARED, "shared", "several processes held the socket, or several sockets could have had it") \
        X(NO_LOOKUP, "no-lookup",                                                                      \
          "its transport has no sockets that can be looked up, or a savefile names none")              \
        X(KERNEL, "kernel", "the kernel's own sockets: refusals, answers after an end, ICMP")            \
        X(FORWARDED, "forwarded", "neither end is an address of this host")                            \
        X(FRAGMENT, "fragment", "a later IP fragment whose first one was not seen")                    \
        X(OVERFLOW, "overflow", "a table was full")                                                    \
        X(NOT_LOOKED_UP, "not-looked-up", "more new flows at once than could be looked up")            \
        X(LOOKUP_ERROR, "lookup-error", "the lookup itself failed")                                    \
        X(NOT_IP, "not-ip", "neither IPv4 nor IPv6")                                                   \
        X(LINK_TYPE, "link-type", "its link type is not one that is decoded: a savefile's")            \
        X(TRUNCATED, "truncated", "the packet ends inside a header")                                   \
        X(MALFORMED, "malformed", "a header contradicts itself")                                       \
        X(ENCAPSULATION, "encapsulation", "more link tags or extension headers than are followed")

enum unattributed {
#define UNATTRIBUTED_ENUM(name, text, meaning) UNATTRIBUTED_##name,
        UNATTRIBUTED_REASONS(UNATTRIBUTED_ENUM)
#undef UNATTRIBUTED_ENUM
                UNATTRIBUTED_MAX
};

/* The name behind `unattributed-`; a static string. */
const char *unattributed_name(enum unattributed reason);
