#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the system refuses, and ends without a warning: the daemon goes on, or the next one does, and no book lies."""

import os
import pathlib
import random
import resource
import signal
import subprocess
import tempfile

from harness import Daemon, assert_balanced, busy, has_owner, hosts, main, private_bus, sh, total, traffic, until

KILLS = int(os.environ.get("NETFLOWD_TEST_KILLS", "15"))


HARD = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def set_descriptor_limit(daemon, number):
    """Returns what it was before."""
    return resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (number, HARD))[0]


def host_of(daemon):
    return sh(["ip", "netns", "identify", str(daemon.process.pid)]).strip()


def test_no_descriptors_left(build):
    """EMFILE for all that takes one: what moves is counted, as nobody's where nobody could be asked; recordings are
    refused; and with descriptors, owners are found again."""
    def talk(port):
        """Of a process that was not there before."""
        script = ("import socket, sys; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                  f"for _ in range(10): s.sendto(b'x' * 1000, ('127.0.0.1', {port}))\n"
                  "print('sent', flush=True); sys.stdin.read()")
        process = subprocess.Popen(["ip", "netns", "exec", name, "python3", "-c", script], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout.readline() == "sent\n"
        return process

    with busy(build) as (daemon, client):
        name, before = host_of(daemon), daemon.settled()
        open_ones = [int(number) for number in os.listdir(f"/proc/{daemon.process.pid}/fd")]
        limit = set_descriptor_limit(daemon, max(open_ones) + 1)
        # numbers that are free below that limit are used up by its own questions, one at a time: nothing else is left
        without = talk(7000)
        ledger = daemon.settled()
        assert ledger["seen"] == before["seen"] + 2 * 10 * 1028, (before, ledger)
        assert_balanced(daemon, ledger)
        set_descriptor_limit(daemon, limit)
        process = talk(7000)
        ledger = daemon.settled()
        row = daemon.row(process.pid)
        assert row and row["total"]["out"] == 10 * 1028, (row, ledger)
        assert daemon.row(client.pid)["total"]["out"] == 20 * 1028
        assert_balanced(daemon, ledger)
        for one in (without, process):
            one.communicate()


def last_report(daemon, moments):
    """What it said last before it was killed, at a moment that nothing is timed for."""
    report = None
    for _ in range(moments):
        report = daemon.ledger(), daemon.rank()
    return report


def test_killed_at_any_time(build):
    """SIGKILL at random points, and another one on the same bus at once: what had been reported is true, the savefile
    is whole up to its last packet, and nothing of the one that is gone is in the way of the next."""
    pick = random.Random(os.getpid())
    with hosts() as (a, b), private_bus() as bus, traffic(b) as server, tempfile.TemporaryDirectory() as directory, \
            traffic(a) as client:
        server.tell("udp", "s", "0.0.0.0", 7000)
        client.tell("udp", "c", "0.0.0.0", 0)
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address}
        reported = 0
        for turn in range(KILLS):
            path = pathlib.Path(directory, str(turn))
            counted = total(a.counters("v0"))
            process = subprocess.Popen(a.command([f"{build}/netflowd", "--config", "/dev/null", "--backend", "pcap",
                                                  "--store-pcap", str(path)]), stderr=subprocess.PIPE, text=True,
                                       env=environment)
            try:
                daemon = Daemon(build, bus, process)
                until(lambda process=process, daemon=daemon: process.poll() is not None or has_owner(daemon), "a daemon")
                assert process.poll() is None, process.stderr.read()
                client.tell("send", "c", "10.9.0.2", 7000, pick.randrange(1, 400), 1000)
                if turn % 3 == 0:
                    until(lambda daemon=daemon: daemon.ledger()["seen"] > 0, "something to report")
                ledger, rank = last_report(daemon, pick.randrange(1, 4))
                client.tell("send", "c", "10.9.0.2", 7000, pick.randrange(1, 400), 1000)
            finally:
                process.send_signal(signal.SIGKILL)
                said = process.communicate()[1]
            assert not said, said
            truth = total(a.counters("v0")) - counted
            assert ledger["seen"] == ledger["attributed"] + sum(value for key, value in ledger.items()
                                                                if key.startswith("unattributed-")), ledger
            assert ledger["seen"] <= truth, (ledger, truth)
            rows = {row.get("pid"): row["total"]["out"] for row in rank}
            assert set(rows) <= {client.pid} and sum(rows.values()) <= truth, (rows, truth)
            reported += ledger["seen"]
            stored = subprocess.run(["tcpdump", "-qnr", str(path)], text=True, check=False, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE) if path.exists() and path.stat().st_size else None
            assert not stored or all(" 1000" in line for line in stored.stdout.splitlines()), stored
        assert reported > 0
        return f"{KILLS} times"


main([test_no_descriptors_left, test_killed_at_any_time])
