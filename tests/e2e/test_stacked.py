#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Devices above and beside each other, all of which see a packet: it counts once, and of a tunnel's two packets the
ledger tells which is which."""

import re

from harness import WITHOUT_NAMESPACES, attach, choice, container, daemon_on, devices, hosts, main, streamed, total, tunnels, until, until_state


def macvlan(below, above, other):
    """mv0 on v0 of one host, in another (or the same) one, 10.7.0.1; that at the other end of the cable is 10.7.0.2."""
    below.sh(f"ip link add mv0 link v0 address 02:00:00:00:07:01 netns {above.name} type macvlan mode bridge")
    attach(above, "mv0", "10.7.0.1", "10.7.0.2", "02:00:00:00:00:02")
    attach(other, "v0", "10.7.0.2", "10.7.0.1", "02:00:00:00:07:01")


def test_bridge_to_a_container(build):
    """Each packet counts once, whichever of the devices it passes are chosen; all is the process's."""
    for options, covered in (([], None), (choice("*"), {"d0": "covered"}), (choice("br0"), {}), (choice("d0"), {}),
                             (choice("d*", "b*"), {"d0": "covered"})):
        with hosts(3) as (a, _, c):
            container(a, c)
            with daemon_on(a, build, *options) as daemon, streamed(a, c, "10.8.0.2") as (client, _server):
                ledger, counted = daemon.settled(), c.counters("e0", 14)
                assert ledger["seen"] == total(counted) == ledger["attributed"], (options, ledger, counted)
                moved = daemon.row(client.pid)["total"]
                assert (moved["out"], moved["in"]) == (counted["in"], counted["out"]), (moved, counted)
                assert ledger["skipped-enslaved"] == (0 if options else total(counted)), (options, ledger)
                for name, state in (covered or {}).items():
                    row = devices(daemon)[name]
                    assert row["state"] == state and row["last_error"] == "its packets count on br0", row


def test_forwarded_to_a_container(build):
    """What is routed through to a container is forwarded, as it comes in and as it goes out, and never on the port."""
    for options in ([], choice("*")):
        with hosts(3) as (a, b, c):
            container(a, c)
            a.sh("sysctl -qw net.ipv4.ip_forward=1")
            b.sh("ip route add 10.8.0.0/24 via 10.9.0.1")
            with daemon_on(a, build, *options, by=WITHOUT_NAMESPACES) as daemon, streamed(b, c, "10.8.0.2"):
                ledger, counted = daemon.settled(), a.counters("v0")
                assert ledger["unattributed-forwarded"] == 2 * total(counted) == ledger["seen"], (ledger, counted)


def test_macvlan(build):
    """Its frames pass the device below too, and count on the macvlan where both are seen."""
    for options, counts in (([], "both"), (choice("v0", "mv0"), "both"), (choice("v0"), "below"),
                            (choice("mv0"), "above")):
        with hosts() as (a, b):
            macvlan(a, a, b)
            with daemon_on(a, build, *options) as daemon:
                with streamed(a, b, "10.7.0.2"):
                    ledger, above = daemon.settled(), total(a.counters("v0"))
                    assert ledger["seen"] == above == ledger["attributed"], (options, ledger, above)
                    assert ledger["skipped-stacked"] == (above if counts == "both" else 0), (options, ledger)
                daemon.settled()
                with streamed(b, a, "10.7.0.1"), streamed(a, b, "10.9.0.2"):
                    ledger, counted = daemon.settled(), total(a.counters("v0"))
                    assert (ledger["seen"] < counted) if counts == "above" else (ledger["seen"] == counted), \
                        (options, ledger, counted)
                    assert ledger["attributed"] == ledger["seen"], (options, ledger)


def test_macvlan_of_a_container(build):
    """In another namespace it is another host: what passes is forwarded, once."""
    for options in ([], choice("*")):
        with hosts(3) as (a, b, c):
            macvlan(a, c, b)
            with daemon_on(a, build, *options, by=WITHOUT_NAMESPACES) as daemon, streamed(c, b, "10.7.0.2"):
                ledger, counted = daemon.settled(), a.counters("v0")
                assert ledger["unattributed-forwarded"] == ledger["seen"] == total(counted), (ledger, counted)


def test_vxlan(build):
    """A tunnel of the kernel: inner packets are the application's, outer ones nobody's, and the ledger tells which."""
    for options in ([], choice("v0", "vx0")):
        with hosts() as (a, b):
            for host, own, other in ((a, 1, 2), (b, 2, 1)):
                host.sh(f"ip link add vx0 address 02:00:00:00:06:0{own} type vxlan id 5 local 10.9.0.{own} "
                        f"remote 10.9.0.{other} dstport 4789 dev v0")
                attach(host, "vx0", f"10.6.0.{own}", f"10.6.0.{other}", f"02:00:00:00:06:0{other}")
            with daemon_on(a, build, *options) as daemon, streamed(a, b, "10.6.0.2") as (client, _):
                ledger, outer = daemon.settled(), a.counters("v0")
                inner = a.counters("vx0", 0)  # which counts no link header
                assert ledger["seen"] == total(outer) + total(inner), (ledger, outer, inner)
                assert ledger["tunnel-inner"] == total(inner) == ledger["attributed"], (ledger, inner)
                moved = daemon.row(client.pid)["total"]
                assert (moved["in"], moved["out"]) == (inner["in"], inner["out"]), (moved, inner)
                assert re.search(r"\d kB of it inside tunnels", daemon.ctl("status").stdout), ledger


def test_tun(build):
    """A tunnel in user space: the outer packets are its process's."""
    for options in ([], choice("*")):
        with hosts() as (a, b), daemon_on(a, build, *options) as daemon, tunnels(a, b) as (tunnel, _):
            if options:
                until_state(daemon, "t0", "capturing")
            with streamed(a, b, "10.5.0.2") as (client, _):
                ledger, outer, inner = daemon.settled(), a.counters("v0"), a.counters("t0", 0)
                assert ledger["seen"] == total(outer) + total(inner) == ledger["attributed"], (ledger, outer, inner)
                assert ledger["tunnel-inner"] == total(inner), (ledger, inner)
                for process, counted in ((client, inner), (tunnel, outer)):
                    moved = daemon.row(process.pid)["total"]
                    assert (moved["in"], moved["out"]) == (counted["in"], counted["out"]), (moved, counted)


def test_ifb(build):
    """It shows packets of another device once more; alone, it shows what they are."""
    for options, counts in (([], "all"), (choice("*"), "all"), (choice("ifb0", "v0"), "all"), (choice("ifb0"), "in")):
        with hosts() as (a, b):
            a.sh("ip link add ifb0 type ifb; ip link set ifb0 up; tc qdisc add dev v0 ingress; tc filter add dev v0 "
                 "parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ifb0")
            with daemon_on(a, build, *options) as daemon, streamed(a, b, "10.9.0.2"):
                ledger, counted = daemon.settled(), a.counters("v0")
                assert ledger["seen"] == (total(counted) if counts == "all" else counted["in"]), (ledger, counted)
                assert ledger["attributed"] == ledger["seen"], ledger
                assert ledger["skipped-stacked"] == (0 if options else counted["in"]), ledger
                if counts == "all" and options:
                    assert devices(daemon)["ifb0"]["state"] == "covered", devices(daemon)


VLAN = """
import socket, struct, sys
sender = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
sender.bind(("v0", 0))
udp = struct.pack("!HHHH", 4000, 9, 108, 0) + b"x" * 100
ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, bytes([10, 9, 0, 2]), bytes([10, 9, 0, 1]))
for vid in map(int, sys.argv[1:]):
    tag = struct.pack("!HH", 0x8100, vid) if vid >= 0 else b""
    sender.send(b"\\2\\0\\0\\0\\0\\1\\2\\0\\0\\0\\0\\2" + tag + b"\\x08\\0" + ip + udp)
"""


def test_vlan_tags(build):
    """Tagged frames count on the device of the VLAN, which may be elsewhere; where their device is chosen, on that.
    They come with their tag beside the frame and leave with it inside."""
    for options, received, sent in (([], 2, 1), (choice("v0"), 4, 4), ([*choice("v0"), "--filter", "vlan 5"], 1, 1),
                                    ([*choice("v0"), "--filter", "udp"], 4, 4),
                                    ([*choice("v0"), "--filter", "not vlan"], 1, 1),
                                    ([*choice("v0"), "--filter", "udp port 10"], 0, 0)):
        with hosts() as (a, b), daemon_on(a, build, *options) as on_a, daemon_on(b, build, *options) as on_b:
            a.sh("nft 'table ip quiet3 { chain in { type filter hook input priority 0; udp dport 9 drop; }; }'")
            b.sh("python3 - -1 0 5 6", input=VLAN)
            assert on_a.settled()["seen"] == received * 128, (options, on_a.ledger())
            assert on_b.settled()["seen"] == sent * 128, (options, on_b.ledger())


main([value for name, value in list(globals().items()) if name.startswith("test_")])
