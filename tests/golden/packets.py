# SPDX-License-Identifier: MIT
"""Builders for packets: just enough of each header to be read by a decoder and by tcpdump."""

import ipaddress
import struct

TCP, UDP, ICMP, ICMPV6, SCTP, UDPLITE, DCCP, GRE, ESP, OSPF = 6, 17, 1, 58, 132, 136, 33, 47, 50, 89
HOPOPTS, ROUTING, FRAGMENT, AH, NONE, DSTOPTS, MOBILITY, HIP, SHIM6 = 0, 43, 44, 51, 59, 60, 135, 139, 140

A4, B4 = "192.0.2.1", "198.51.100.2"  # RFC 5737
A6, B6 = "2001:db8::1", "2001:db8::2"  # RFC 3849


def address(text):
    return ipaddress.ip_address(text).packed


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ip4(payload, protocol, src=A4, dst=B4, ident=1, flags=0, offset=0, options=b"", total=None, version=4, ihl=None):
    ihl = 5 + len(options) // 4 if ihl is None else ihl
    total = 20 + len(options) + len(payload) if total is None else total
    header = struct.pack("!BBHHHBBH4s4s", version << 4 | ihl, 0, total, ident, flags << 13 | offset // 8, 64,
                         protocol, 0, address(src), address(dst)) + options
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def ip6(payload, protocol, src=A6, dst=B6, length=None, version=6):
    length = len(payload) if length is None else length
    return struct.pack("!IHBB", version << 28, length, protocol, 64) + address(src) + address(dst) + payload


def tcp(sport=40000, dport=80, flags=0x10, data=b"", words=5):
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 1, words << 4, flags, 512, 0, 0) + data


def udp(sport=40000, dport=53, data=b"x" * 40, length=None):
    return struct.pack("!HHHH", sport, dport, 8 + len(data) if length is None else length, 0) + data


def sctp(sport=40000, dport=3868):
    return struct.pack("!HHII", sport, dport, 7, 0) + b"\0" * 36


def echo(kind, ident=4242):
    return struct.pack("!BBHHH", kind, 0, 0, ident, 1) + b"p" * 56


def icmp(kind, code=0):
    return struct.pack("!BBHI", kind, code, 0, 0) + b"q" * 48


def extension(following, size=8):
    return struct.pack("!BB", following, size // 8 - 1) + b"\x01" + bytes([size - 4]) + b"\0" * (size - 4)


def routing(following):  # RFC 8200 section 4.4, type 0 with no segment left
    return struct.pack("!BBBBI", following, 0, 0, 0, 0)


def jumbo(following, length, size=4):  # RFC 2675
    return struct.pack("!BBBBI", following, 0, 0xC2, size, length)


def padded_jumbo(following, length):
    """Behind Pad1, PadN and an option that is not known."""
    return struct.pack("!BBBBBBBBBBBBI", following, 1, 0, 1, 1, 0, 0x1E, 1, 0, 0, 0xC2, 4, length)


def fragment6(following, offset, more, ident=7):
    return struct.pack("!BBHI", following, 0, offset | more, ident)


def auth(following):  # RFC 4302: length in words, less 2
    return struct.pack("!BBHII", following, 4, 0, 1, 1) + b"\0" * 12


def ether(payload, ethertype):
    return b"\x02\0\0\0\0\x02" + b"\x02\0\0\0\0\x01" + struct.pack("!H", ethertype) + payload


def tag(payload, ethertype, vid=100):
    """What follows the ethertype of a VLAN tag."""
    return struct.pack("!HH", vid, ethertype) + payload


def sll(payload, ethertype, kind=0):
    return struct.pack("!HHH8sH", kind, 1, 6, b"\x02\0\0\0\0\x02\0\0", ethertype) + payload


def sll2(payload, ethertype, kind=0, ifindex=3):
    return struct.pack("!HHIHBB8s", ethertype, 0, ifindex, 1, kind, 6, b"\x02\0\0\0\0\x02\0\0") + payload


def pppoe(payload, protocol, code=0):
    return struct.pack("!BBHHH", 0x11, code, 1, len(payload) + 2, protocol) + payload


def cisco(payload, ethertype, station=0x0F):  # RFC 1547 section 4.3.1
    return struct.pack("!BBH", station, 0, ethertype) + payload


def savefile(link_type, packets, snaplen=65535):
    """A classic pcap file: (captured bytes, wire length) each, a second apart."""
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snaplen, link_type)
    for i, (captured, wire) in enumerate(packets):
        data += struct.pack("<IIII", 1700000000 + i, i, len(captured), wire) + captured
    return data
