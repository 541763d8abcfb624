#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Several workers keep the same books as one, to the byte."""

import contextlib

from harness import assert_balanced, daemon_on, hosts, main, traffic

WORKERS = (1, 2, 4)


@contextlib.contextmanager
def generated(a, b):
    """Some of all: many flows, both ways, TCP and UDP, IPv4 and IPv6, fragments, ICMP. Processes stay to be looked up."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(traffic(a)) for _ in range(3)]
        server = stack.enter_context(traffic(b))
        server.tell("udp", "s", "::", 7000)
        server.tell("listen", "l", "::", 8000)
        for n, client in enumerate(clients):
            for flow in range(12):
                address = ("10.9.0.2", "fd09::2")[flow % 2]
                client.tell("udp", f"u{flow}", ("10.9.0.1", "fd09::1")[flow % 2], 0)
                client.tell("send", f"u{flow}", address, 7000, 20 + n, 100 + flow)
                client.tell("connect", f"t{flow}", address, 8000)
                server.tell("accept", f"{n}-{flow}", "l")
                client.tell("write", f"t{flow}", 20000 + flow)
                server.tell("read", f"{n}-{flow}", 20000 + flow)
                server.tell("write", f"{n}-{flow}", 3000)
                client.tell("read", f"t{flow}", 3000)
            client.tell("send", "u0", "10.9.0.2", 7000, 5, 8000)  # in fragments
            client.tell("send", "u0", "10.9.0.2", 7001, 3, 100)  # refused by ICMP
        yield clients


def books_of(daemon):
    """All there is of each process but the first stamp: each socket has the kernel stamp its own copy of a packet."""
    rows = {row["pid"]: ({**row["total"], "since_usec": 0}, daemon.json("show", str(row["pid"]))["ring"])
            for row in daemon.rank()}
    return daemon.ledger(), rows


def test_same_books(build):
    with hosts() as (a, b), contextlib.ExitStack() as stack:
        daemons = [stack.enter_context(daemon_on(a, build, "--workers", str(n))) for n in WORKERS]
        with generated(a, b) as clients:
            ledgers = [daemon.in_windows() for daemon in daemons]
            (ledger, rows), *others = [books_of(daemon) for daemon in daemons]
            assert len(rows) == len(clients), rows
            for n, (other_ledger, other_rows) in zip(WORKERS[1:], others):
                assert other_ledger == ledger, (n, ledger, other_ledger)
                assert other_rows == rows, (n, rows, other_rows)
            counted = a.counters("v0")
            for daemon, ledger in zip(daemons, ledgers):
                status = daemon.status()
                assert status["PacketsDropped"] == 0, status
                assert ledger["seen"] == counted["in"] + counted["out"], (ledger, counted)
                assert_balanced(daemon, ledger)
        return f"{ledger['seen']} bytes, {100 * ledger['attributed'] / ledger['seen']:.2f} % attributed"


def test_devices(build):
    """On chosen devices, which come and go, as on all."""
    with hosts() as (a, b), daemon_on(a, build, "--workers", "3", "--device", "v*", "--device", "lo") as daemon, \
            traffic(a) as client, traffic(b) as server:
        server.tell("udp", "s", "10.9.0.2", 7000)
        client.tell("udp", "s", "127.0.0.1", 7000)
        client.tell("udp", "c", "0.0.0.0", 0)
        for _ in range(2):
            client.tell("send", "c", "10.9.0.2", 7000, 50, 1000)
            client.tell("send", "c", "127.0.0.1", 7000, 10, 1000)
            ledger = daemon.settled()
            daemon.ctl("stop")
            daemon.ctl("start")
        assert ledger["seen"] == ledger["attributed"] == 2 * 50 * 1028 + 2 * 2 * 10 * 1028, ledger
        received = {device["name"]: device["received"] for device in daemon.status()["Devices"]}
        assert received == {"v0": 100, "lo": 20}, received
        assert_balanced(daemon, ledger)


main([test_same_books, test_devices])
