#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Everything comes and goes at once: connections, datagrams, one-shot processes, devices, recordings, questions,
reloads, both backends beside each other. At each rest between two rounds the books agree with the interfaces, and in
the end there is no more memory and there are no more descriptors than before.

It lasts NETFLOWD_SOAK_SECONDS, or a minute, or with sanitizers a quarter of that. `make soak` is half an hour."""

import contextlib
import os
import pathlib
import re
import signal
import subprocess
import time

from harness import (assert_ledger_balances, daemon_on, daemon_with_bpf, descriptors, hosts, main, move, sanitized, total, traffic,
                     until)

SECONDS = float(os.environ.get("NETFLOWD_SOAK_SECONDS", "60"))
A, B = ("10.9.0.1", "fd09::1"), ("10.9.0.2", "fd09::2")
ROW_BYTES = 3000      # what one more process in the books may take: its row, a second or two in its ring
STEADY_SECONDS = 330  # then, as many leave the books as come: the longest window and half a minute


class Pair:
    """Two processes with sockets to each other that last."""

    def __init__(self, client, server):
        self.client, self.server, self.turn = client, server, 0
        server.tell("listen", "l", "::", 8000)
        server.tell("udp", "u", "::", 7000)
        client.tell("udp", "u", "::", 0)

    def round(self):
        """Bytes each way over an old and a new connection, over IPv4 or IPv6, and datagrams, some in fragments."""
        address = B[self.turn % 2]
        self.turn += 1
        self.client.tell("connect", "c", address, 8000)
        self.server.tell("accept", "s", "l")
        for sender, receiver, end, other in ((self.client, self.server, "c", "s"),
                                             (self.server, self.client, "s", "c")):
            sender.tell("write", end, 400000)
            receiver.tell("read", other, 400000)
        self.client.tell("reset" if self.turn % 3 == 0 else "close", "c")
        self.server.tell("read", "s", 1)
        self.server.tell("close", "s")
        self.client.tell("udp", "v", "0.0.0.0", 0)
        self.client.tell("send", "v", B[0], 7000, 20, 3000)
        self.client.tell("close", "v")
        self.client.tell("send", "u", B[1], 7000, 10, 500)
        self.server.tell("read", "u", 65000)


def one_shots(a, b, count):
    """Processes that send one datagram each and are gone, on both hosts, and into a port that nobody has."""
    for host, address, port in ((a, B[0], 7000), (b, A[0], 9)):
        host.sh(f"i=0; while [ $i -lt {count} ]; do bash -c 'echo one > /dev/udp/{address}/{port}'; i=$((i + 1)); done")


def devices_come_and_go(a, turn):
    a.sh(f"ip link add d{turn % 7} type ifb; ip link set d{turn % 7} up; ip addr add 10.7.{turn % 200}.1/24 dev "
         f"d{turn % 7}; ip link del d{turn % 7}")


def questions(daemon, client):
    """From somebody who may ask for everything, and for what is not there."""
    daemon.rank(limit=10, recent=5)
    for by in ("app", "unit", "user", "protocol"):
        daemon.json("rank", "--by", by)
    until(lambda: daemon.row(client.pid), f"process {client.pid} in the books of {daemon.status()['Backend']}")
    daemon.json("show", str(client.pid))
    assert daemon.ctl("show", "999999999", check=False, stderr=subprocess.DEVNULL).returncode != 0
    daemon.ctl("rank", "--by", "nonsense", check=False, stderr=subprocess.DEVNULL)


def record(daemon):
    daemon.ctl("pcap", "-w", "/dev/null", "--timeout", "200ms", stderr=subprocess.DEVNULL)


def resident(daemon):
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", text)[1])


def measure(daemon):
    return {"memory": resident(daemon), "rows": len(daemon.rank()), "descriptors": descriptors(daemon)}


def assert_flat(before, after):
    """Memory is the rows' and no more, and no descriptor was left open."""
    grown = after["memory"] - before["memory"]
    assert grown <= (1 << 20) + ROW_BYTES * max(0, after["rows"] - before["rows"]), (before, after)
    assert len(after["descriptors"]) <= len(before["descriptors"]), (before, after)
    return grown // 1024


class Departed:
    """What those had who exited so long ago that they are out of the books: 300 s after they moved their last byte."""

    def __init__(self):
        self.rows, self.bytes = {}, 0

    def follow(self, daemon):
        rows = {(row["pid"], row["start_time_usec"]): total(row["total"]) for row in daemon.rank()}
        self.bytes += sum(had for key, had in self.rows.items() if key not in rows)
        self.rows = rows


def assert_agrees(daemon, a, departed):
    """All that v0 and lo moved has been seen, but for what the kernel dropped, which it says; and somebody has, or had,
    each byte that is said to be somebody's."""
    ledger, status = daemon.settled(), daemon.status()
    counted = total(a.counters("v0")) + total(a.counters("lo"))
    assert ledger["seen"] <= counted, (ledger, counted)
    assert status["PacketsDropped"] > 0 or ledger["seen"] == counted, (ledger, counted)
    assert_ledger_balances(ledger)
    departed.follow(daemon)
    assert sum(departed.rows.values()) + departed.bytes == ledger["attributed"], (departed.rows, departed.bytes, ledger)


def test_soak(build):
    with contextlib.ExitStack() as stack:
        a, b = stack.enter_context(hosts())
        packets = stack.enter_context(daemon_on(a, build))
        counters = stack.enter_context(daemon_with_bpf(build))
        client, local, peer, server = (stack.enter_context(traffic(host)) for host in (a, a, a, b))
        stack.enter_context(a.start([f"{build}/netflowctl", "monitor", "--json"], env=packets.environment,
                                    stdout=subprocess.DEVNULL))
        pair = Pair(client, server)
        peer.tell("udp", "s", "127.0.0.1", 7000)
        local.tell("udp", "c", "127.0.0.1", 0)
        seconds = SECONDS / 4 if sanitized(build) else SECONDS
        begin, turn, reference, referred, departed = time.monotonic(), 0, None, 0.0, Departed()
        while time.monotonic() - begin < seconds or turn < 6:
            devices_come_and_go(a, turn)
            pair.round()
            move(local)
            one_shots(a, b, 15)
            for daemon in (packets, counters):
                questions(daemon, client)
                if turn % 3 == 1:
                    record(daemon)
                if turn % 4 == 1:
                    daemon.process.send_signal(signal.SIGHUP)
            assert_agrees(packets, a, departed)
            assert_ledger_balances(counters.ledger())
            if turn % 5 == 2:  # in a quiet moment, so that nothing is missed
                packets.ctl("stop")
                packets.ctl("start")
            turn += 1
            past = time.monotonic() - begin
            if reference is None and turn >= 3 and past >= min(seconds / 3, STEADY_SECONDS):
                reference, referred = [measure(daemon) for daemon in (packets, counters)], past
        until(lambda: all(len(descriptors(daemon)) <= len(was["descriptors"])
                          for daemon, was in zip((packets, counters), reference)), "no more descriptors than before")
        if sanitized(build):
            return f"{turn} rounds"
        grown = [assert_flat(was, measure(daemon)) for daemon, was in zip((packets, counters), reference)]
        return (f"{turn} rounds; over the last {time.monotonic() - begin - referred:.0f} s grown by {grown[0]} kB (pcap) "
                f"and {grown[1]} kB (bpf)")


main([test_soak])
