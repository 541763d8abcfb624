#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the golden savefiles, one for each link type, and what decoding each packet must say.

usage: make.py DIRECTORY

A line of `expected` is: savefile, number in it, name of the case, and then either
  SOURCE PORT > DESTINATION PORT PROTOCOL BYTES [flags]   or   reason BYTES."""

import pathlib
import sys

from packets import (A4, A6, AH, B4, B6, DCCP, DSTOPTS, ESP, FRAGMENT, GRE, HOPOPTS, ICMP, ICMPV6, MOBILITY, NONE, OSPF,
                     ROUTING, SCTP, TCP, UDP, UDPLITE, auth, echo, ether, extension, fragment6, icmp, ip4, ip6, jumbo,
                     savefile, sctp, sll, sll2, tag, tcp, udp)

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


# Each link type, with both versions of IP.
for file, link_type, four_of, six_of, flags in (
        ("en10mb", 1, lambda p: ether(p, IP4), lambda p: ether(p, IP6), []),
        ("linux_sll", 113, lambda p: sll(p, IP4), lambda p: sll(p, IP6), ["to-us"]),
        ("linux_sll2", 276, lambda p: sll2(p, IP4), lambda p: sll2(p, IP6), ["to-us", "if3"]),
        ("raw", 101, lambda p: p, lambda p: p, []),
        ("null", 0, lambda p: b"\2\0\0\0" + p, lambda p: b"\x1e\0\0\0" + p, []),
        ("loop", 108, lambda p: b"\0\0\0\2" + p, lambda p: b"\0\0\0\x18" + p, []),
        ("ppp", 9, lambda p: b"\xff\x03\0\x21" + p, lambda p: b"\xff\x03\0\x57" + p, [])):
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
case("en10mb", 1, "vlan", ether(tag(TCP4, IP4), VLAN), IS_TCP4)
case("en10mb", 1, "qinq", ether(tag(tag(TCP6, IP6), VLAN), QINQ), IS_TCP6)
case("en10mb", 1, "qinq-old", ether(tag(tag(TCP4, IP4), VLAN), 0x9100), IS_TCP4)
case("en10mb", 1, "five-tags", ether(tag(tag(tag(tag(tag(TCP4, IP4), VLAN), VLAN), VLAN), VLAN), VLAN), "encapsulation 44")
case("en10mb", 1, "vlan-cut", ether(tag(b"", IP4), VLAN)[:16], "malformed 0")
case("en10mb", 1, "pppoe", ether(b"\x11\0\0\1\0\x2a\0\x21" + TCP4, PPPOE), IS_TCP4)
case("en10mb", 1, "arp", ether(b"\0" * 28, ARP), "not-ip 28")
case("en10mb", 1, "llc", ether(b"\xaa\xaa\x03" + b"\0" * 40, 43), "not-ip 43")
case("en10mb", 1, "padded", ether(TCP4 + b"\0" * 6, IP4), IS_TCP4)
case("en10mb", 1, "padded6", ether(ip6(b"", NONE) + b"\0" * 6, IP6), six(0, 0, NONE, 40))
case("en10mb", 1, "empty", b"", "malformed 0")
case("en10mb", 1, "header-cut-by-snaplen", ether(TCP4, IP4), "truncated 54", snap=10)

# SLL and SLL2: which way it went.
for kind, name in ((0, "to-us"), (1, "to-us"), (2, "to-us"), (3, "other"), (4, "from-us")):
    case("linux_sll", 113, f"type-{kind}", sll(TCP4, IP4, kind), f"{IS_TCP4} {name}")
    case("linux_sll2", 276, f"type-{kind}", sll2(UDP6, IP6, kind, 7), f"{IS_UDP6} {name} if7")
case("linux_sll", 113, "vlan", sll(tag(TCP4, IP4), VLAN), f"{IS_TCP4} to-us")
case("linux_sll2", 276, "vlan", sll2(tag(TCP4, IP4), VLAN), f"{IS_TCP4} to-us if3")
case("linux_sll2", 276, "arp", sll2(b"\0" * 28, ARP, 4), "not-ip 28 from-us if3")

# NULL and LOOP: address families of other systems, and the other byte order.
case("null", 0, "bswap4", b"\0\0\0\2" + TCP4, IS_TCP4)
for family in (10, 24, 28, 30):
    case("null", 0, f"inet6-{family}", bytes([family]) + b"\0\0\0" + TCP6, IS_TCP6)
case("null", 0, "appletalk", b"\x10\0\0\0" + b"\0" * 20, "not-ip 20")

# PPP: address and control left out, protocol in one byte, control protocols.
case("ppp", 9, "bare", b"\0\x21" + TCP4, IS_TCP4)
case("ppp", 9, "compressed", b"\x21" + TCP4, IS_TCP4)
case("ppp", 9, "compressed6", b"\xff\x03\x57" + TCP6, IS_TCP6)
case("ppp", 9, "lcp", b"\xff\x03\xc0\x21\x01\x01\0\x04", "not-ip 4")

# Transports.
case("raw", 101, "syn", ip4(tcp(flags=0x02), TCP), four(40000, 80, TCP, 40, "syn"))
case("raw", 101, "syn-ack", ip4(tcp(flags=0x12), TCP), four(40000, 80, TCP, 40))
case("raw", 101, "udplite", ip4(udp(), UDPLITE), four(40000, 53, UDPLITE, 68))
case("raw", 101, "sctp", ip4(sctp(), SCTP), four(40000, 3868, SCTP, 68))
case("raw", 101, "sctp6", ip6(sctp(), SCTP), six(40000, 3868, SCTP, 88))
case("raw", 101, "dccp", ip4(udp(), DCCP), four(40000, 53, DCCP, 68))
case("raw", 101, "echo-request", ip4(echo(8), ICMP), four(4242, 0, ICMP, 84))
case("raw", 101, "echo-reply", ip4(echo(0), ICMP), four(0, 4242, ICMP, 84))
case("raw", 101, "unreachable", ip4(icmp(3, 3), ICMP), four(0, 0, ICMP, 76))
case("raw", 101, "echo6-request", ip6(echo(128), ICMPV6), six(4242, 0, ICMPV6, 104))
case("raw", 101, "echo6-reply", ip6(echo(129), ICMPV6), six(0, 4242, ICMPV6, 104))
case("raw", 101, "neighbour", ip6(icmp(135), ICMPV6), six(0, 0, ICMPV6, 96))
case("raw", 101, "gre", ip4(b"\0" * 40, GRE), four(0, 0, GRE, 60))
case("raw", 101, "esp", ip4(b"\0" * 40, ESP), four(0, 0, ESP, 60))
case("raw", 101, "ospf", ip4(b"\0" * 44, OSPF), four(0, 0, OSPF, 64))
case("raw", 101, "ipv4-options", ip4(tcp(), TCP, options=b"\x94\x04\0\0" * 10), four(40000, 80, TCP, 80))

# IPv6 extension headers.
for name, header in (("hop", HOPOPTS), ("routing", ROUTING), ("destination", DSTOPTS), ("mobility", MOBILITY)):
    case("raw", 101, name, ip6(extension(TCP) + tcp(), header), six(40000, 80, TCP, 68))
case("raw", 101, "long-hop", ip6(extension(UDP, 64) + udp(), HOPOPTS), six(40000, 53, UDP, 152))
case("raw", 101, "auth", ip6(auth(TCP) + tcp(), AH), six(40000, 80, TCP, 84))
case("raw", 101, "chain", ip6(extension(ROUTING) + extension(DSTOPTS) + extension(UDP) + udp(), HOPOPTS),
     six(40000, 53, UDP, 112))
case("raw", 101, "endless-chain", ip6(extension(DSTOPTS) * 20, DSTOPTS), "encapsulation 200")
case("raw", 101, "no-next", ip6(b"\0" * 8, NONE), six(0, 0, NONE, 48))
case("raw", 101, "esp6", ip6(b"\0" * 40, ESP), six(0, 0, ESP, 80))
case("raw", 101, "chain-cut", ip6(extension(UDP, 64)[:16], HOPOPTS), "malformed 56")

# Fragments: the first has the ports, later ones only their id.
case("raw", 101, "fragment-first", ip4(udp(data=b"f" * 72), UDP, ident=99, flags=1), four(40000, 53, UDP, 100, "first99"))
case("raw", 101, "fragment-later", ip4(b"f" * 80, UDP, ident=99, offset=80), four(0, 0, UDP, 100, "later99"))
case("raw", 101, "fragment-middle", ip4(b"f" * 80, UDP, ident=99, flags=1, offset=160), four(0, 0, UDP, 100, "later99"))
case("raw", 101, "do-not-fragment", ip4(udp(), UDP, flags=2), IS_UDP4)
case("raw", 101, "fragment6-first", ip6(fragment6(UDP, 0, 1) + udp(), FRAGMENT), six(40000, 53, UDP, 96, "first7"))
case("raw", 101, "fragment6-later", ip6(fragment6(UDP, 48, 0) + b"f" * 40, FRAGMENT), six(0, 0, UDP, 88, "later7"))
case("raw", 101, "fragment6-first-options", ip6(fragment6(DSTOPTS, 0, 1) + extension(UDP) + udp(), FRAGMENT),
     six(40000, 53, UDP, 104, "first7"))
case("raw", 101, "fragment6-later-options", ip6(fragment6(DSTOPTS, 56, 0) + b"f" * 40, FRAGMENT),
     six(0, 0, DSTOPTS, 88, "later7"))
case("raw", 101, "atomic", ip6(fragment6(UDP, 0, 0) + udp(), FRAGMENT), six(40000, 53, UDP, 96))

# Lengths: super-packets carry their headers once and may not say how long they are.
case("raw", 101, "gso-64k", ip4(tcp(data=b"g" * 65000), TCP), four(40000, 80, TCP, 65040), snap=100)
case("raw", 101, "gso-no-length", ip4(tcp(data=b"g" * 200), TCP, total=0), four(40000, 80, TCP, 240))
case("raw", 101, "big-tcp", ip6(tcp(data=b"g" * 150), TCP, length=0), six(40000, 80, TCP, 150000), wire=150000)
case("raw", 101, "jumbogram", ip6(jumbo(TCP, 70028) + tcp(), HOPOPTS, length=0), six(40000, 80, TCP, 70068), wire=70068)
case("raw", 101, "length-of-one-segment", ip4(tcp(data=b"g" * 3000), TCP, total=1500), four(40000, 80, TCP, 3040))

# What is cut off, and what contradicts itself.
case("raw", 101, "snaplen-in-ip4", TCP4, "truncated 40", snap=12)
case("raw", 101, "snaplen-in-ip6", TCP6, "truncated 60", snap=39)
case("raw", 101, "snaplen-in-ports", UDP4, "truncated 68", snap=22)
case("raw", 101, "snaplen-in-flags", TCP4, "truncated 40", snap=33)
case("raw", 101, "snaplen-behind-ports", UDP4, IS_UDP4, snap=24)
case("raw", 101, "nothing", b"", "malformed 0")
case("raw", 101, "version-5", ip4(tcp(), TCP, version=5), "not-ip 40")
case("raw", 101, "ihl-4", ip4(tcp(), TCP, ihl=4), "malformed 40")
case("raw", 101, "ihl-beyond", ip4(b"", TCP, ihl=15, total=60) + b"\0" * 10, "malformed 30")
case("raw", 101, "total-too-long", ip4(udp(), UDP, total=400), "malformed 68")
case("raw", 101, "total-in-header", ip4(udp(), UDP, total=12), "malformed 68")
case("raw", 101, "payload-too-long", ip6(udp(), UDP, length=400), "malformed 88")
case("raw", 101, "udp-of-3-bytes", ip4(b"\0\0\0", UDP), "malformed 23")
case("raw", 101, "tcp-of-8-bytes", ip4(tcp()[:8], TCP), "malformed 28")
case("raw", 101, "captured-more-than-wire", TCP4, "malformed 30", wire=30)


def main():
    directory = pathlib.Path(sys.argv[1])
    files = {}
    with open(directory / "expected", "w", encoding="utf-8") as expected:
        for file, link_type, name, captured, wire, line in CASES:
            packets = files.setdefault(file, (link_type, []))[1]
            packets.append((captured, wire))
            expected.write(f"{file}.pcap {len(packets)} {name}: {line}\n")
    for file, (link_type, packets) in files.items():
        (directory / f"{file}.pcap").write_bytes(savefile(link_type, packets))


main()
