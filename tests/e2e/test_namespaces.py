#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What passes through to and from containers, which are network namespaces behind a veth: it is their processes' where
those namespaces can be entered, once, and else forwarded."""

from harness import (WITHOUT_NAMESPACES, assert_balanced, container, daemon_on, hosts, join_at, main, sh, streamed, total,
                     traffic, until)

NAT = "nft 'table ip nat { chain post { type nat hook postrouting priority 100; oif v0 masquerade; }; }'"


def by_veth(host, other):
    """A container on a veth alone: d0 here, 10.8.0.1 and fd08::1; d0 there, .2."""
    join_at(host, other, "d0", "10.8.0")
    for one, own, neighbour in ((host, 1, 2), (other, 2, 1)):
        one.sh(f"ip addr add fd08::{own}/64 dev d0 nodad; "
               f"ip neigh replace fd08::{neighbour} lladdr 02:00:00:00:01:0{neighbour} nud permanent dev d0")
    other.sh("ip route add default via 10.8.0.1; ip route add fd09::/64 via fd08::1")


def linked(a, b, c, bridge, nat):
    """a is between b and its container c. Returns the device in c."""
    (container if bridge else by_veth)(a, c)
    a.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
    if nat:
        a.sh(NAT)
    else:
        b.sh("ip route add 10.8.0.0/24 via 10.9.0.1; ip route add fd08::/64 via fd09::1")
    return "e0" if bridge else "d0"


def assert_has(daemon, pid, counted):
    """That process has all that its interface counted."""
    moved = daemon.row(pid)["total"]
    assert (moved["in"], moved["out"]) == (counted["in"], counted["out"]), (moved, counted)


def assert_goes(host, other, port):
    """Nothing keeps that host alive: with it goes the port that led to it."""
    sh(["ip", "netns", "del", other.name])
    until(lambda: f" {port}@" not in host.sh("ip link"), "a host that is gone")


def datagrams(client, server, address):
    """Ten there and back."""
    server.tell("udp", "u", address, 5353)
    client.tell("udp", "u", "0.0.0.0", 0)
    server.begin("answer", "u", 10)
    client.tell("send", "u", address, 5353, 10, 1000)
    server.answer()


def assert_owned(daemon, machines, device, bridge, nat, client, server):
    """As test_owned() says."""
    a, b, c = machines
    ledger, inside, outside = daemon.settled(), total(c.counters(device, 14)), total(a.counters("v0"))
    assert inside == outside, (inside, outside)
    assert_has(daemon, client.pid, c.counters(device, 14))
    # b is behind a veth as well: what has not this host's address is its process's
    if nat:
        assert not daemon.row(server.pid), daemon.row(server.pid)
        assert ledger["unattributed-no-socket"] == outside, (ledger, outside)
    else:
        assert_has(daemon, server.pid, b.counters("v0"))
    assert ledger["unattributed-forwarded"] == (inside if bridge else 0), (ledger, inside)
    assert ledger["attributed"] == inside * (1 if nat else 2) and ledger["skipped-enslaved"] == 0, ledger
    assert_balanced(daemon, ledger)


def test_owned(build):
    """All that its interface has is the process's in there, exactly; on the bridge it is forwarded."""
    for bridge, nat in ((False, False), (True, False), (False, True), (True, True)):
        with hosts(3) as (a, b, c):
            device = linked(a, b, c, bridge, nat)
            with daemon_on(a, build) as daemon:
                with streamed(c, b, "10.9.0.2" if bridge or nat else "fd09::2") as (client, server):
                    datagrams(client, server, "10.9.0.2")
                    assert_owned(daemon, (a, b, c), device, bridge, nat, client, server)
                assert_goes(a, c, "d0")


def test_not_entered(build):
    """Without the capability it is forwarded wherever it passes, and nobody's."""
    for bridge, nat in ((False, False), (True, True)):
        with hosts(3) as (a, b, c):
            device = linked(a, b, c, bridge, nat)
            with daemon_on(a, build, by=WITHOUT_NAMESPACES) as daemon, streamed(c, b, "10.9.0.2"):
                ledger, inside = daemon.settled(), total(c.counters(device, 14))
                assert ledger["unattributed-forwarded"] == inside * (1 if nat else 2), (ledger, inside)
                assert ledger["unattributed-no-socket"] == (inside if nat else 0), (ledger, inside)
                assert ledger["skipped-enslaved"] == (inside if bridge else 0) and ledger["attributed"] == 0, ledger
                assert_balanced(daemon, ledger)


def test_nobody_there(build):
    """What is not for the container's own address is nobody's in there, though a socket of any address would have its
    port, and neither is what nobody in there has a socket for; the namespace goes while it is known."""
    with hosts(3) as (a, b, c):
        linked(a, b, c, bridge=False, nat=False)
        a.sh("ip route add 10.7.0.0/24 via 10.8.0.2")
        b.sh("ip route add 10.7.0.0/24 via 10.9.0.1")
        c.sh("nft 'table ip none { chain in { type filter hook prerouting priority -300; udp dport 9 drop; "
             "ip daddr 10.7.0.0/24 drop; }; }'")
        with daemon_on(a, build) as daemon, traffic(b) as client:
            with traffic(c) as server:
                server.tell("udp", "u", "0.0.0.0", 5353)
                client.tell("udp", "u", "0.0.0.0", 0)
                client.tell("send", "u", "10.7.0.9", 5353, 5, 1000)
                client.tell("send", "u", "10.8.0.2", 9, 5, 1000)
                ledger = daemon.settled()
                assert not daemon.row(server.pid), daemon.row(server.pid)
                assert ledger["unattributed-forwarded"] == ledger["attributed"] == 10 * 1028, ledger
                client.tell("send", "u", "10.8.0.2", 5353, 5, 1000)
                daemon.settled()
                moved = daemon.row(server.pid)["total"]
                assert (moved["in"], moved["out"]) == (5 * 1028, 0), moved
            c.sh("nft flush ruleset")
            client.tell("send", "u", "10.8.0.2", 5353, 5, 1000)
            ledger = daemon.settled()
            assert_balanced(daemon, ledger)
            assert daemon.row(client.pid)["total"]["out"] == 20 * 1028 and moved == daemon.row(server.pid)["total"], ledger


def test_handed_over(build):
    """A port of a container that goes from one process to the other within a drain: neither has what it did not send."""
    with hosts(3) as (a, b, c):
        linked(a, b, c, bridge=False, nat=False)
        b.sh("nft 'table ip none { chain in { type filter hook prerouting priority -300; udp dport 9 drop; }; }'")
        with daemon_on(a, build) as daemon, traffic(c) as one, traffic(c) as other:
            for round_ in (1, 2):
                one.tell("udp", "u", "0.0.0.0", 5000)
                one.tell("send", "u", "10.9.0.2", 9, 1, 1000)
                one.tell("close", "u")
                other.tell("udp", "u", "0.0.0.0", 5000)
                other.tell("send", "u", "10.9.0.2", 9, 2, 1000)
                ledger = daemon.settled()
                assert ledger["seen"] == round_ * 2 * 3 * 1028, ledger
                row = daemon.row(other.pid)
                assert not row or row["total"]["out"] <= round_ * 2 * 1028, row
                assert not daemon.row(one.pid), daemon.row(one.pid)
                other.tell("close", "u")
            assert_balanced(daemon, ledger)


def test_beside(build):
    """Between the container and this host it is this host's process's, as with any other host."""
    with hosts(3) as (a, b, c):
        linked(a, b, c, bridge=True, nat=False)
        with daemon_on(a, build) as daemon, streamed(c, a, "10.8.0.1") as (client, server):
            ledger, counted = daemon.settled(), c.counters("e0", 14)
            assert ledger["seen"] == ledger["attributed"] == total(counted), (ledger, counted)
            assert_has(daemon, server.pid, {"in": counted["out"], "out": counted["in"]})
            assert not daemon.row(client.pid), daemon.row(client.pid)


def test_published(build):
    """A port that NAT leads into a container while a process here listens on it, too: nothing of a connection is that
    process's, however long it lasts."""
    with hosts(3) as (a, b, c):
        linked(a, b, c, bridge=True, nat=False)
        a.sh("nft 'table ip publish { chain pre { type nat hook prerouting priority -100; "
             "ip daddr 10.9.0.1 tcp dport 7777 dnat to 10.8.0.2; }; }'")
        with daemon_on(a, build) as daemon, traffic(a) as proxy, traffic(b) as client, traffic(c) as server:
            proxy.tell("listen", "l", "0.0.0.0", 7777)
            server.tell("listen", "l", "0.0.0.0", 7777)
            for size in (1000, 300000):
                client.tell("connect", "c", "10.9.0.1", 7777)
                server.tell("accept", "s", "l")
                client.tell("write", "c", size)
                server.tell("read", "s", size)
                if size > 1000:
                    daemon.settled()
                client.tell("close", "c")
                server.tell("close", "s")
            ledger = daemon.settled()
            row = daemon.row(proxy.pid)
            assert not row or row["total"]["in"] + row["total"]["out"] == 0, (row, ledger)
            assert ledger["unattributed-no-socket"] > 300000, ledger
            assert_balanced(daemon, ledger)


main([value for name, value in list(globals().items()) if name.startswith("test_")])
