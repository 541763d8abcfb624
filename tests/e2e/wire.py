# SPDX-License-Identifier: MIT
"""Hosts whose interfaces count what would be on a real wire, and what moves there."""

import contextlib

from harness import hosts

WAYS = ("in", "out")


@contextlib.contextmanager
def wire(count=2):
    """Hosts whose interfaces count what would be on a real wire: a super-packet is cut up before it gets there."""
    with hosts(count) as made:
        for host in made:
            # no probe for a loss that a slow machine only seems to have: what is sent twice is acknowledged twice, to
            # a socket that may be gone by then
            host.sh("sysctl -qw net.ipv4.tcp_early_retrans=0")
            if count == 2:
                host.sh("ethtool -K v0 tso off gro off")
        yield made


def moved(host, before=None):
    """What its interface has counted (since before)."""
    now = host.counters("v0")
    return {way: now[way] - (before[way] if before else 0) for way in WAYS}


def totals(daemon, pids):
    """What the daemon has for these processes together."""
    rows = [row["total"] for row in daemon.rank() if row.get("pid") in pids]
    return {way: sum(row[way] for row in rows) for way in WAYS}


def talk(client, server, name, size):
    """Both ways over a connection that is there."""
    client.tell("write", "c", size)
    server.tell("read", name, size)
    server.tell("write", name, size // 2)
    client.tell("read", "c", size // 2)
