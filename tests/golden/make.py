#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the golden savefiles, one for each link type, and what decoding each packet must say.

usage: make.py DIRECTORY          the savefiles and `expected`
       make.py --corpus DIRECTORY a file for each packet, to start fuzz-decode with

A line of `expected` is: savefile, number in it, name of the case, and then either
  SOURCE PORT > DESTINATION PORT PROTOCOL BYTES [flags]   or   reason BYTES."""

import math
import pathlib
import struct
import sys

from packets import (A4, A6, AH, B4, B6, DCCP, DSTOPTS, ESP, FRAGMENT, GRE, HIP, HOPOPTS, ICMP, ICMPV6, MOBILITY, NONE,
                     OSPF, ROUTING, SCTP, SHIM6, TCP, UDP, UDPLITE, auth, cisco, echo, ether, extension, fragment6,
                     icmp, ip4, ip6, jumbo, padded_jumbo, pppoe, routing, savefile, sctp, sll, sll2, tag, tcp, udp)

IP4, IP6, ARP, VLAN, QINQ, PPPOE = 0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x8864
TCP4, TCP6 = ip4(tcp(), TCP), ip6(tcp(), TCP)
UDP4, UDP6 = ip4(udp(), UDP), ip6(udp(), UDP)


def four(sport, dport, protocol, size, *flags):
    return " ".join([f"{A4} {sport} > {B4} {dport} {protocol} {size}", *flags])


def six(sport, dport, protocol, size, *flags):
    return " ".join([f"{A6} {sport} > {B6} {dport} {protocol} {size}", *flags])


IS_TCP4, IS_TCP6 = four(40000, 80, TCP, 40), six(40000, 80, TCP, 60)
IS_UDP4, IS_UDP6 = four(40000, 53, UDP, 68), six(40000, 53, UDP, 88)

CASES = []  # savefile, link type, name, captured bytes, wire length, expected


def case(file, link_type, name, data, expected, snap=None, wire=None):
    captured = data[:snap]
    CASES.append((file, link_type, name, captured, len(data) if wire is None else wire, expected))


def raw(name, data, expected, **cut):
    case("raw", 101, name, data, expected, **cut)


def ethernet(name, data, expected, **cut):
    case("en10mb", 1, name, data, expected, **cut)


def more_sll2(name, data, expected, **cut):
    case("linux_sll2_more", 276, name, data, expected, **cut)


# Each link type, with both versions of IP.
for file, link_type, four_of, six_of, flags in (
        ("en10mb", 1, lambda p: ether(p, IP4), lambda p: ether(p, IP6), []),
        ("linux_sll", 113, lambda p: sll(p, IP4), lambda p: sll(p, IP6), ["to-us"]),
        ("linux_sll2", 276, lambda p: sll2(p, IP4), lambda p: sll2(p, IP6), ["to-us", "if3"]),
        ("raw", 101, lambda p: p, lambda p: p, []),
        ("raw_dlt", 12, lambda p: p, lambda p: p, []),
        ("null", 0, lambda p: b"\2\0\0\0" + p, lambda p: b"\x1e\0\0\0" + p, []),
        ("loop", 108, lambda p: b"\0\0\0\2" + p, lambda p: b"\0\0\0\x18" + p, []),
        ("ppp", 9, lambda p: b"\xff\x03\0\x21" + p, lambda p: b"\xff\x03\0\x57" + p, []),
        ("ppp_serial", 50, lambda p: b"\xff\x03\0\x21" + p, lambda p: b"\xff\x03\0\x57" + p, []),
        ("ppp_ether", 51, lambda p: pppoe(p, 0x21), lambda p: pppoe(p, 0x57), [])):
    for name, packet, expected in (("tcp4", four_of(TCP4), IS_TCP4), ("tcp6", six_of(TCP6), IS_TCP6),
                                   ("udp4", four_of(UDP4), IS_UDP4), ("udp6", six_of(UDP6), IS_UDP6)):
        case(file, link_type, name, packet, " ".join([expected, *flags]))
case("ipv4", 228, "tcp4", TCP4, IS_TCP4)
case("ipv4", 228, "udp4", UDP4, IS_UDP4)
case("ipv4", 228, "tcp6", TCP6, "malformed 60")
case("ipv6", 229, "tcp6", TCP6, IS_TCP6)
case("ipv6", 229, "udp6", UDP6, IS_UDP6)
case("ipv6", 229, "tcp4", TCP4, "malformed 40")

# Ethernet: tags, other protocols, padding.
ethernet("vlan", ether(tag(TCP4, IP4), VLAN), IS_TCP4)
ethernet("qinq", ether(tag(tag(TCP6, IP6), VLAN), QINQ), IS_TCP6)
ethernet("qinq-old", ether(tag(tag(TCP4, IP4), VLAN), 0x9100), IS_TCP4)
ethernet("five-tags", ether(tag(tag(tag(tag(tag(TCP4, IP4), VLAN), VLAN), VLAN), VLAN), VLAN), "encapsulation 44")
ethernet("vlan-cut", ether(tag(b"", IP4), VLAN)[:16], "malformed 2")
ethernet("pppoe", ether(pppoe(TCP4, 0x21), PPPOE), IS_TCP4)
ethernet("arp", ether(b"\0" * 28, ARP), "not-ip 28")
ethernet("llc", ether(b"\xaa\xaa\x03" + b"\0" * 40, 43), "not-ip 43")
ethernet("padded", ether(TCP4 + b"\0" * 6, IP4), IS_TCP4)
ethernet("padded6", ether(ip6(b"", NONE) + b"\0" * 6, IP6), six(0, 0, NONE, 40))
ethernet("empty", b"", "malformed 0")
ethernet("header-cut-by-snaplen", ether(TCP4, IP4), "truncated 54", snap=10)
ethernet("triple", ether(tag(tag(tag(UDP4, IP4), VLAN), VLAN), QINQ), IS_UDP4)
ethernet("four-tags", ether(tag(tag(tag(tag(TCP6, IP6), VLAN), VLAN), VLAN), QINQ), IS_TCP6)
ethernet("vlan-cut-by-snaplen", ether(tag(TCP4, IP4), VLAN), "truncated 44", snap=16)
ethernet("vlan-arp", ether(tag(b"\0" * 28, ARP), VLAN), "not-ip 28")
ethernet("vlan-padded", ether(tag(TCP4 + b"\0" * 6, IP4), VLAN), IS_TCP4)
ethernet("qinq-pppoe", ether(tag(tag(pppoe(TCP6, 0x57), PPPOE), VLAN), QINQ), IS_TCP6)
ethernet("pppoe-padded", ether(pppoe(ip4(udp(data=b""), UDP), 0x21) + b"\0" * 10, PPPOE), four(40000, 53, UDP, 28))
ethernet("pppoe-lcp", ether(pppoe(b"\x09\x01\0\x08\0\0\0\0", 0xC021), PPPOE), "not-ip 8")
ethernet("pppoe-discovery", ether(b"\x11\x09\0\0\0\4\1\1\0\0", 0x8863), "not-ip 10")
ethernet("pppoe-cut", ether(b"\x11\0\0", PPPOE), "malformed 3")
ethernet("pppoe-cut-by-snaplen", ether(pppoe(TCP4, 0x21), PPPOE), "truncated 42", snap=20)
ethernet("snap", ether(b"\xaa\xaa\x03\0\0\0\x08\0" + TCP4, 48), "not-ip 48")
ethernet("frame-checksum", ether(UDP4 + b"\xde\xad\xbe\xef", IP4), IS_UDP4)
ethernet("frame-checksum6", ether(UDP6 + b"\xde\xad\xbe\xef", IP6), IS_UDP6)
ethernet("padding-cut-by-snaplen", ether(TCP4 + b"\0" * 6, IP4), IS_TCP4, snap=54)
ethernet("version-5", ether(ip4(tcp(), TCP, version=5), IP4), "malformed 40")
ethernet("version-4-as-ipv6", ether(UDP4, IP6), "malformed 68")
ethernet("version-6-as-ipv4", ether(UDP6, IP4), "malformed 88")
ethernet("nothing-behind", ether(b"", IP4), "malformed 0")
ethernet("gso", ether(ip4(tcp(data=b"g" * 40000), TCP), IP4), four(40000, 80, TCP, 40040), snap=80)
ethernet("gso-vlan6", ether(tag(ip6(tcp(data=b"g" * 40000), TCP), IP6), VLAN), six(40000, 80, TCP, 40060), snap=100)

# SLL and SLL2: which way it went.
for kind, name in ((0, "to-us"), (1, "to-us"), (2, "to-us"), (3, "other"), (4, "from-us")):
    case("linux_sll", 113, f"type-{kind}", sll(TCP4, IP4, kind), f"{IS_TCP4} {name}")
    case("linux_sll2", 276, f"type-{kind}", sll2(UDP6, IP6, kind, 7), f"{IS_UDP6} {name} if7")
case("linux_sll", 113, "vlan", sll(tag(TCP4, IP4), VLAN), f"{IS_TCP4} to-us")
case("linux_sll2", 276, "vlan", sll2(tag(TCP4, IP4), VLAN), f"{IS_TCP4} to-us if3")
case("linux_sll2", 276, "arp", sll2(b"\0" * 28, ARP, 4), "not-ip 28 from-us if3")
case("linux_sll", 113, "type-5", sll(TCP4, IP4, 5), IS_TCP4)
case("linux_sll", 113, "arp", sll(b"\0" * 28, ARP), "not-ip 28 to-us")
case("linux_sll", 113, "llc", sll(b"\x42\x42\x03" + b"\0" * 35, 4), "not-ip 38 to-us")
case("linux_sll", 113, "header-cut", sll(b"", IP4)[:15], "malformed 15")
more_sll2("type-7", sll2(TCP4, IP4, 7), f"{IS_TCP4} if3")
more_sll2("no-interface", sll2(TCP4, IP4, 4, 0), f"{IS_TCP4} from-us")
more_sll2("large-index", sll2(TCP4, IP4, 0, 0xFFFFFFFF), f"{IS_TCP4} to-us if4294967295")
more_sll2("qinq", sll2(tag(tag(TCP6, IP6), VLAN), QINQ), f"{IS_TCP6} to-us if3")
more_sll2("five-tags", sll2(tag(tag(tag(tag(tag(TCP4, IP4), VLAN), VLAN), VLAN), VLAN), VLAN),
     "encapsulation 44 to-us if3")
more_sll2("header-cut", sll2(b"", IP4)[:19], "malformed 19")
more_sll2("header-cut-by-snaplen", sll2(TCP4, IP4), "truncated 60", snap=19)
more_sll2("ports-cut-by-snaplen", sll2(TCP4, IP4, 4), "truncated 40 from-us if3", snap=42)
more_sll2("padded", sll2(TCP4 + b"\0" * 6, IP4), f"{IS_TCP4} to-us if3")
more_sll2("gso", sll2(ip4(tcp(data=b"g" * 60000), TCP), IP4, 4), f"{four(40000, 80, TCP, 60040)} from-us if3", snap=80)

# What a host sees on `any` of devices that lie above each other: 2 and 3 are ports of bond 4, 5 is WireGuard and 6 is
# PPP, both over 7, and 8 is a VLAN of 7. tests/unit/test-devices.c knows what of it counts where.
WIREGUARD = ip4(udp(51820, 51820, b"\4\0\0\0" + b"w" * 92), UDP, src=B4, dst=A4)
for name, ifindex, kind, packet, expected in (
        ("bond-port-in", 2, 0, ip4(tcp(), TCP, src=B4, dst=A4), f"{B4} 40000 > {A4} 80 {TCP} 40 to-us"),
        ("bond-in", 4, 0, ip4(tcp(), TCP, src=B4, dst=A4), f"{B4} 40000 > {A4} 80 {TCP} 40 to-us"),
        ("bond-out", 4, 4, UDP4, f"{IS_UDP4} from-us"),
        ("bond-port-out", 3, 4, UDP4, f"{IS_UDP4} from-us"),
        ("wireguard-outer", 7, 0, WIREGUARD, f"{B4} 51820 > {A4} 51820 {UDP} 124 to-us"),
        ("wireguard-inner", 5, 0, ip4(tcp(), TCP, src="10.5.0.2", dst="10.5.0.1"),
         f"10.5.0.2 40000 > 10.5.0.1 80 {TCP} 40 to-us"),
        ("ppp", 6, 0, ip4(tcp(), TCP, src=B4, dst="10.6.0.1"), f"{B4} 40000 > 10.6.0.1 80 {TCP} 40 to-us"),
        ("vlan", 8, 4, ip4(tcp(), TCP, src="10.8.0.1"), f"10.8.0.1 40000 > {B4} 80 {TCP} 40 from-us")):
    case("stacked", 276, name, sll2(packet, IP4, kind, ifindex), f"{expected} if{ifindex}")
case("stacked", 276, "pppoe-carrier", sll2(pppoe(ip4(tcp(), TCP, src=B4, dst="10.6.0.1"), 0x21), PPPOE, 0, 7),
     f"{B4} 40000 > 10.6.0.1 80 {TCP} 40 to-us if7")
case("stacked", 276, "vlan-carrier", sll2(tag(ip4(tcp(), TCP, src="10.8.0.1"), IP4, 5), VLAN, 4, 7),
     f"10.8.0.1 40000 > {B4} 80 {TCP} 40 from-us if7")

# NULL and LOOP: address families of other systems, and the other byte order.
case("null", 0, "bswap4", b"\0\0\0\2" + TCP4, IS_TCP4)
for family in (10, 24, 28, 30):
    case("null", 0, f"inet6-{family}", bytes([family]) + b"\0\0\0" + TCP6, IS_TCP6)
case("null", 0, "appletalk", b"\x10\0\0\0" + b"\0" * 20, "not-ip 20")
for family in (10, 24, 28, 30):
    case("null", 0, f"bswap6-{family}", b"\0\0\0" + bytes([family]) + UDP6, IS_UDP6)
case("null", 0, "family-cut", b"\2\0\0", "malformed 3")
case("null", 0, "family-cut-by-snaplen", b"\2\0\0\0" + TCP4, "truncated 44", snap=3)
case("null", 0, "family-of-another", b"\2\0\0\0" + TCP6, "malformed 60")
for family in (10, 28, 30):
    case("loop", 108, f"inet6-{family}", b"\0\0\0" + bytes([family]) + TCP6, IS_TCP6)
case("loop", 108, "mpls", b"\0\0\0\x21" + b"\0" * 20, "not-ip 20")
case("raw_dlt", 12, "loop-of-openbsd", b"\0\0\0\2" + TCP4, "not-ip 44")

# PPP: address and control left out, protocol in one byte, control protocols.
case("ppp", 9, "bare", b"\0\x21" + TCP4, IS_TCP4)
case("ppp", 9, "compressed", b"\x21" + TCP4, IS_TCP4)
case("ppp", 9, "compressed6", b"\xff\x03\x57" + TCP6, IS_TCP6)
case("ppp", 9, "lcp", b"\xff\x03\xc0\x21\x01\x01\0\x04", "not-ip 4")
case("ppp", 9, "bare6", b"\0\x57" + UDP6, IS_UDP6)
case("ppp", 9, "compressed-hdlc", b"\xff\x03\x21" + UDP4, IS_UDP4)
case("ppp", 9, "protocol-cut", b"\xff\x03\0", "malformed 3")
case("ppp", 9, "protocol-cut-by-snaplen", b"\xff\x03\0\x21" + TCP4, "truncated 44", snap=3)
case("ppp", 9, "checksum", b"\xff\x03\0\x21" + TCP4 + b"\xde\xad", IS_TCP4)
case("ppp", 9, "empty", b"", "malformed 0")
case("ppp_serial", 50, "cisco4", cisco(TCP4, IP4), IS_TCP4)
case("ppp_serial", 50, "cisco6", cisco(UDP6, IP6, 0x8F), IS_UDP6)
case("ppp_serial", 50, "cisco-keepalive", cisco(b"\0" * 18, 0x8035, 0x8F), "not-ip 18")
case("ppp_serial", 50, "cisco-cut", b"\x0f\0\x08", "malformed 3")
case("ppp_ether", 51, "lcp", pppoe(b"\x09\x01\0\x08\0\0\0\0", 0xC021), "not-ip 8")

# Transports.
raw("syn", ip4(tcp(flags=0x02), TCP), four(40000, 80, TCP, 40, "syn"))
raw("syn-ack", ip4(tcp(flags=0x12), TCP), four(40000, 80, TCP, 40))
raw("udplite", ip4(udp(), UDPLITE), four(40000, 53, UDPLITE, 68))
raw("sctp", ip4(sctp(), SCTP), four(40000, 3868, SCTP, 68))
raw("sctp6", ip6(sctp(), SCTP), six(40000, 3868, SCTP, 88))
raw("dccp", ip4(udp(), DCCP), four(40000, 53, DCCP, 68))
raw("echo-request", ip4(echo(8), ICMP), four(4242, 0, ICMP, 84))
raw("echo-reply", ip4(echo(0), ICMP), four(0, 4242, ICMP, 84))
raw("unreachable", ip4(icmp(3, 3), ICMP), four(0, 0, ICMP, 76))
raw("echo6-request", ip6(echo(128), ICMPV6), six(4242, 0, ICMPV6, 104))
raw("echo6-reply", ip6(echo(129), ICMPV6), six(0, 4242, ICMPV6, 104))
raw("neighbour", ip6(icmp(135), ICMPV6), six(0, 0, ICMPV6, 96))
raw("gre", ip4(b"\0" * 40, GRE), four(0, 0, GRE, 60))
raw("esp", ip4(b"\0" * 40, ESP), four(0, 0, ESP, 60))
raw("ospf", ip4(b"\0" * 44, OSPF), four(0, 0, OSPF, 64))
raw("ipv4-options", ip4(tcp(), TCP, options=b"\x94\x04\0\0" * 10), four(40000, 80, TCP, 80))
raw("syn6", ip6(tcp(flags=0x02), TCP), six(40000, 80, TCP, 60, "syn"))
raw("syn-ecn", ip4(tcp(flags=0xC2), TCP), four(40000, 80, TCP, 40, "syn"))
raw("rst", ip4(tcp(flags=0x04), TCP), four(40000, 80, TCP, 40))
raw("tcp-options", ip4(tcp(flags=0x02, data=b"\2\4\5\xb4\1\1\4\2", words=7), TCP), four(40000, 80, TCP, 48, "syn"))
raw("udplite6", ip6(udp(length=8), UDPLITE), six(40000, 53, UDPLITE, 88))
raw("dccp6", ip6(udp(), DCCP), six(40000, 53, DCCP, 88))
raw("unreachable6", ip6(icmp(1, 4), ICMPV6), six(0, 0, ICMPV6, 96))
raw("timestamp", ip4(icmp(13), ICMP), four(0, 0, ICMP, 76))
raw("gre6", ip6(b"\0" * 40, GRE), six(0, 0, GRE, 80))
raw("ah4", ip4(auth(TCP) + tcp(), AH), four(0, 0, AH, 64))
raw("ipip", ip4(TCP4, 4), four(0, 0, 4, 60))

# IPv6 extension headers.
raw("routing", ip6(routing(TCP) + tcp(), ROUTING), six(40000, 80, TCP, 68))
for name, header in (("hop", HOPOPTS), ("destination", DSTOPTS), ("mobility", MOBILITY)):
    raw(name, ip6(extension(TCP) + tcp(), header), six(40000, 80, TCP, 68))
raw("long-hop", ip6(extension(UDP, 64) + udp(), HOPOPTS), six(40000, 53, UDP, 152))
raw("auth", ip6(auth(TCP) + tcp(), AH), six(40000, 80, TCP, 84))
raw("chain", ip6(extension(ROUTING) + routing(DSTOPTS) + extension(UDP) + udp(), HOPOPTS), six(40000, 53, UDP, 112))
raw("endless-chain", ip6(extension(DSTOPTS) * 20, DSTOPTS), "encapsulation 200")
raw("no-next", ip6(b"\0" * 8, NONE), six(0, 0, NONE, 48))
raw("esp6", ip6(b"\0" * 40, ESP), six(0, 0, ESP, 80))
raw("chain-cut", ip6(extension(UDP, 64)[:16], HOPOPTS), "malformed 56")
for name, header in (("hip", HIP), ("shim6", SHIM6)):
    raw(name, ip6(extension(TCP) + tcp(), header), six(40000, 80, TCP, 68))
for name, header in (("mobility", MOBILITY), ("hip", HIP), ("shim6", SHIM6)):
    raw(f"{name}-message", ip6(extension(NONE, 16), header), six(0, 0, header, 56))
raw("destination-and-no-next", ip6(extension(NONE), DSTOPTS), six(0, 0, NONE, 48))
raw("bare-header", ip6(b"", NONE), six(0, 0, NONE, 40))
raw("ten-headers", ip6(extension(DSTOPTS) * 9 + extension(TCP) + tcp(), DSTOPTS), six(40000, 80, TCP, 140))
raw("eleven-headers", ip6(extension(DSTOPTS) * 10 + extension(TCP) + tcp(), DSTOPTS), "encapsulation 148")
raw("all-headers", ip6(extension(DSTOPTS) + extension(ROUTING) + routing(FRAGMENT) + fragment6(AH, 0, 0)
                                    + auth(DSTOPTS) + extension(MOBILITY) + extension(SCTP) + sctp(), HOPOPTS),
     six(40000, 3868, SCTP, 160))
raw("esp-behind-hop", ip6(extension(ESP) + b"\0" * 40, HOPOPTS), six(0, 0, ESP, 88))
raw("snaplen-in-chain", ip6(extension(ROUTING) + routing(UDP) + udp(), HOPOPTS), "truncated 104", snap=50)
raw("snaplen-in-extension", ip6(extension(UDP, 64) + udp(), HOPOPTS), "truncated 152", snap=60)
raw("snaplen-in-short-extension", ip6(extension(UDP, 64)[:32], HOPOPTS), "malformed 72", snap=60)
raw("auth-cut", ip6(auth(TCP)[:20], AH), "malformed 60")

# Fragments: the first has the ports, later ones only their id.
raw("fragment-first", ip4(udp(data=b"f" * 72), UDP, ident=99, flags=1), four(40000, 53, UDP, 100, "first99"))
raw("fragment-later", ip4(b"f" * 80, UDP, ident=99, offset=80), four(0, 0, UDP, 100, "later99"))
raw("fragment-middle", ip4(b"f" * 80, UDP, ident=99, flags=1, offset=160), four(0, 0, UDP, 100, "later99"))
raw("do-not-fragment", ip4(udp(), UDP, flags=2), IS_UDP4)
raw("fragment6-first", ip6(fragment6(UDP, 0, 1) + udp(), FRAGMENT), six(40000, 53, UDP, 96, "first7"))
raw("fragment6-later", ip6(fragment6(UDP, 48, 0) + b"f" * 40, FRAGMENT), six(0, 0, UDP, 88, "later7"))
raw("fragment6-first-options", ip6(fragment6(DSTOPTS, 0, 1) + extension(UDP) + udp(), FRAGMENT),
     six(40000, 53, UDP, 104, "first7"))
raw("fragment6-later-options", ip6(fragment6(DSTOPTS, 56, 0) + b"f" * 40, FRAGMENT), six(0, 0, DSTOPTS, 88, "later7"))
raw("atomic", ip6(fragment6(UDP, 0, 0) + udp(), FRAGMENT), six(40000, 53, UDP, 96))
raw("fragment-first-of-8-bytes", ip4(tcp()[:8], TCP, ident=5, flags=1), four(40000, 80, TCP, 28, "first5"))
raw("fragment-first-syn", ip4(tcp(flags=2, data=b"f" * 4), TCP, ident=5, flags=1),
     four(40000, 80, TCP, 44, "syn", "first5"))
raw("fragment-first-no-ports", ip4(b"\x9c\x40", UDP, ident=5, flags=1), "malformed 22")
raw("fragment-id-0", ip4(b"f" * 16, UDP, ident=0, offset=8), four(0, 0, UDP, 36, "later0"))
raw("fragment-last-offset", ip4(b"f" * 8, TCP, ident=65535, offset=65528), four(0, 0, TCP, 28, "later65535"))
raw("fragment-snaplen-in-ports", ip4(udp(data=b"f" * 72), UDP, ident=99, flags=1), "truncated 100", snap=22)
raw("fragment-later-snaplen", ip4(b"f" * 80, UDP, ident=99, offset=80), four(0, 0, UDP, 100, "later99"), snap=20)
raw("fragment-echo-first", ip4(echo(8), ICMP, ident=6, flags=1), four(4242, 0, ICMP, 84, "first6"))
raw("fragment6-hop-first", ip6(extension(FRAGMENT) + fragment6(UDP, 0, 1) + udp(), HOPOPTS),
     six(40000, 53, UDP, 104, "first7"))
raw("fragment6-hop-later", ip6(extension(FRAGMENT) + fragment6(UDP, 64, 1) + b"f" * 40, HOPOPTS),
     six(0, 0, UDP, 96, "later7"))
raw("fragment6-large-id", ip6(fragment6(TCP, 0, 1, 0xDEADBEEF) + tcp(data=b"f" * 4), FRAGMENT),
     six(40000, 80, TCP, 72, "first3735928559"))
raw("fragment6-first-chain-cut", ip6(fragment6(DSTOPTS, 0, 1) + extension(UDP, 64)[:16], FRAGMENT), "malformed 64")
raw("fragment6-header-cut", ip6(fragment6(UDP, 0, 1)[:6], FRAGMENT), "malformed 46")
raw("fragment6-snaplen", ip6(fragment6(UDP, 0, 1) + udp(), FRAGMENT), "truncated 96", snap=47)
raw("atomic-options", ip6(fragment6(DSTOPTS, 0, 0) + extension(UDP) + udp(), FRAGMENT), six(40000, 53, UDP, 104))

# Lengths: super-packets carry their headers once and may not say how long they are.
raw("gso-64k", ip4(tcp(data=b"g" * 65000), TCP), four(40000, 80, TCP, 65040), snap=100)
raw("gso-no-length", ip4(tcp(data=b"g" * 200), TCP, total=0), four(40000, 80, TCP, 240))
raw("big-tcp", ip6(tcp(data=b"g" * 150), TCP, length=0), six(40000, 80, TCP, 150000), wire=150000)
raw("jumbogram", ip6(jumbo(TCP, 70028) + tcp(), HOPOPTS, length=0), six(40000, 80, TCP, 70068), wire=70068)
raw("trailer", ip4(tcp(data=b"g" * 1460), TCP) + b"\0" * 1540, four(40000, 80, TCP, 1500), snap=100)
raw("trailer6", ip6(tcp(data=b"g" * 1440), TCP) + b"\0" * 8, six(40000, 80, TCP, 1500), snap=100)
raw("trailer-cut-by-snaplen", ip4(udp(), UDP) + b"\0" * 40, IS_UDP4, snap=60)
raw("largest4", ip4(tcp(), TCP, total=65535), four(40000, 80, TCP, 65535), wire=65535)
raw("largest4-and-trailer", ip4(tcp(), TCP, total=65534), four(40000, 80, TCP, 65534), wire=65535)
raw("largest6", ip6(tcp(), TCP, length=65535), six(40000, 80, TCP, 65575), wire=65575)
raw("big-tcp4", ip4(tcp(), TCP, total=0), four(40000, 80, TCP, 150000), wire=150000)
raw("wrapped4", ip4(tcp(), TCP, total=70000 - 65536), four(40000, 80, TCP, 70000), wire=70000)
raw("wrapped4-below-header", ip4(tcp(), TCP, total=8), four(40000, 80, TCP, 65544), wire=65544)
raw("wrapped6", ip6(tcp(), TCP, length=4), six(40000, 80, TCP, 65580), wire=65580)
raw("gso-no-length6", ip6(tcp(data=b"g" * 200), TCP, length=0), six(40000, 80, TCP, 260))
raw("gso-udp", ip4(udp(data=b"g" * 30000), UDP), four(40000, 53, UDP, 30028), snap=80)
raw("udp-of-big-tunnel", ip4(udp(length=4), UDP, total=0), four(40000, 53, UDP, 65560), wire=65560)
raw("jumbogram-udp", ip6(jumbo(UDP, 70028) + udp(length=0), HOPOPTS, length=0), six(40000, 53, UDP, 70068), wire=70068)
raw("jumbogram-padded-option", ip6(padded_jumbo(TCP, 70000) + tcp(), HOPOPTS, length=0),
     six(40000, 80, TCP, 70040), wire=70040)
raw("jumbogram-and-trailer", ip6(jumbo(TCP, 70000) + tcp(), HOPOPTS, length=0), six(40000, 80, TCP, 70040), wire=70044)
raw("jumbogram-too-long", ip6(jumbo(TCP, 70000) + tcp(), HOPOPTS, length=0), "malformed 70036", wire=70036)
raw("jumbogram-too-small", ip6(jumbo(TCP, 65535) + tcp(), HOPOPTS, length=0), "malformed 65575", wire=65575)
raw("jumbogram-option-size", ip6(jumbo(TCP, 70000, 2) + tcp(), HOPOPTS, length=0), "malformed 70040", wire=70040)
raw("jumbogram-option-cut", ip6(b"\6\0\1\0\1\0\xc2\4" + tcp(), HOPOPTS, length=0), "malformed 70040", wire=70040)
raw("jumbogram-snaplen", ip6(jumbo(TCP, 70000) + tcp(), HOPOPTS, length=0), "truncated 70040", snap=46, wire=70040)
raw("big-tcp-other-option", ip6(extension(TCP) + tcp(), HOPOPTS, length=0), six(40000, 80, TCP, 150000), wire=150000)
raw("option-too-long", ip6(b"\6\0\x1e\x20\0\0\0\0" + tcp(), HOPOPTS, length=0), "malformed 150000", wire=150000)

# What is cut off, and what contradicts itself.
raw("snaplen-in-ip4", TCP4, "truncated 40", snap=12)
raw("snaplen-in-ip6", TCP6, "truncated 60", snap=39)
raw("snaplen-in-ports", UDP4, "truncated 68", snap=22)
raw("snaplen-in-flags", ip4(tcp(flags=2), TCP), IS_TCP4, snap=33)
raw("snaplen-behind-flags", ip4(tcp(flags=2), TCP), four(40000, 80, TCP, 40, "syn"), snap=34)
raw("snaplen-in-ipv4-options", ip4(tcp(), TCP, options=b"\x94\x04\0\0" * 10), "truncated 80", snap=40)
raw("snaplen-in-tcp6-ports", TCP6, "truncated 60", snap=43)
raw("snaplen-in-echo", ip4(echo(8), ICMP), "truncated 84", snap=25)
raw("snaplen-behind-echo", ip4(echo(8), ICMP), four(4242, 0, ICMP, 84), snap=26)
raw("snaplen-in-unreachable", ip4(icmp(3, 3), ICMP), four(0, 0, ICMP, 76), snap=21)
raw("snaplen-before-icmp", ip4(icmp(3, 3), ICMP), "truncated 76", snap=20)
raw("snaplen-0", TCP4, "truncated 40", snap=0)
raw("snaplen-behind-ports", UDP4, IS_UDP4, snap=24)
raw("nothing", b"", "malformed 0")
raw("version-5", ip4(tcp(), TCP, version=5), "not-ip 40")
raw("ihl-4", ip4(tcp(), TCP, ihl=4), "malformed 40")
raw("ihl-beyond", ip4(b"", TCP, ihl=15, total=60) + b"\0" * 10, "malformed 30")
raw("total-too-long", ip4(udp(), UDP, total=400), "malformed 68")
raw("total-in-header", ip4(udp(), UDP, total=12), "malformed 68")
raw("payload-too-long", ip6(udp(), UDP, length=400), "malformed 88")
raw("udp-of-3-bytes", ip4(b"\0\0\0", UDP), "malformed 23")
raw("tcp-of-8-bytes", ip4(tcp()[:8], TCP), "malformed 28")
raw("captured-more-than-wire", TCP4, "malformed 30", wire=30)
raw("ihl-beyond-total", ip4(tcp(), TCP, ihl=15), "malformed 40")
raw("ihl-beyond-frame", ip4(tcp(), TCP, ihl=15, total=0), "malformed 40")
raw("ihl-beyond-frame-and-snaplen", ip4(tcp(), TCP, ihl=15, total=0), "malformed 40", snap=30)
raw("total-ends-in-ports", ip4(udp(), UDP, total=22), "malformed 22")
raw("payload-ends-in-ports", ip6(udp(), UDP, length=2), "malformed 42")
raw("total-one-too-long", ip4(udp(), UDP, total=69), "malformed 68")
raw("version-7", ip6(udp(), UDP, version=7), "not-ip 88")
raw("tcp-header-of-4-words", ip4(tcp(words=4), TCP), "malformed 40")
raw("tcp-header-beyond", ip4(tcp(words=15), TCP), "malformed 40")
raw("tcp-header-beyond-in-fragment", ip4(tcp(words=15, data=b"f" * 4), TCP, ident=5, flags=1),
     four(40000, 80, TCP, 44, "first5"))
raw("udp-too-long", ip4(udp(length=100), UDP), "malformed 68")
raw("udp-too-short", ip4(udp(length=7), UDP), "malformed 68")
raw("udp-shorter-than-packet", ip4(udp(length=20), UDP), IS_UDP4)
raw("udp-of-7-bytes", ip6(udp()[:7], UDP), "malformed 47")
raw("sctp-of-8-bytes", ip4(sctp()[:8], SCTP), "malformed 28")
raw("dccp-of-8-bytes", ip4(udp(data=b""), DCCP), "malformed 28")
raw("icmp-of-4-bytes", ip4(icmp(3)[:4], ICMP), "malformed 24")
raw("icmpv6-of-4-bytes", ip6(icmp(1)[:4], ICMPV6), "malformed 44")


def write_corpus(directory):
    """In the form that tests/fuzz/fuzz-decode.c reads: link type, square root of half of what was cut off, packet."""
    for n, (_, link_type, _, captured, wire, _) in enumerate(CASES):
        cut = min(255, math.isqrt(max(0, wire - len(captured)) // 2))
        (directory / f"{n:03}").write_bytes(struct.pack("!HB", link_type, cut) + captured)


def main():
    directory = pathlib.Path(sys.argv[-1])
    if "--corpus" in sys.argv:
        write_corpus(directory)
        return
    files = {}
    with open(directory / "expected", "w", encoding="utf-8") as expected:
        for file, link_type, name, captured, wire, line in CASES:
            packets = files.setdefault(file, (link_type, []))[1]
            packets.append((captured, wire))
            expected.write(f"{file}.pcap {len(packets)} {name}: {line}\n")
    for file, (link_type, packets) in files.items():
        (directory / f"{file}.pcap").write_bytes(savefile(link_type, packets))


main()
