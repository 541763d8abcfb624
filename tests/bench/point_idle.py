# SPDX-License-Identifier: MIT
"""4: what it takes while next to nothing happens, with many sockets open."""

import contextlib
import pathlib
import subprocess
import sys

from harness import traffic

import contestants
import loads
import procfs

POINT, TITLE = "idle", "Idle, and 10 connections a second"
PROCESSES = 100
SOCKETS = {"no sockets": 0, "10 k sockets": 10000, "50 k sockets": 50000}
COLUMNS = [("cpu", "CPU of a core", "percent"), ("wakeups", "wake-ups/s", "count"),
           ("trickle_cpu", "CPU, 10 connections/s", "percent"), ("trickle_wakeups", "wake-ups/s", "count")]
SETTLE_SECONDS = 2.5  # the sockets that were there before have been looked at
WINDOW_SECONDS = 5.0  # in which what is done every few seconds is done once
CONNECTIONS = 10  # a second
HOLDER = str(pathlib.Path(__file__).resolve().parent / "holder.py")


@contextlib.contextmanager
def open_sockets(host, number):
    if number == 0:
        yield
        return
    holder = loads.nsenter(host, [sys.executable, HOLDER, str(PROCESSES), str(number)], stdin=subprocess.PIPE,
                           stdout=subprocess.PIPE)
    with contestants.ended(holder):
        assert holder.stdout.readline() == "ready\n"
        yield


def measure(group):
    readers = [reader for running in group for reader in (running.cpu, lambda pid=running.pid: procfs.wakeups(pid))]
    *grown, seconds = loads.growth(WINDOW_SECONDS, *readers)
    return {running.name: (cpu / seconds, wakeups / seconds)
            for running, cpu, wakeups in zip(group, grown[::2], grown[1::2])}


def measure_group(context, hosts, load, starters):
    """At the same time: they do little, and have the same seconds of this machine."""
    a, b = hosts
    with contextlib.ExitStack() as stack:
        group = [stack.enter_context(starter(context.build, a)) for starter in starters]
        loads.pause(SETTLE_SECONDS)
        for name, (cpu, wakeups) in measure(group).items():
            context.results.add(POINT, load, name, cpu=cpu, wakeups=wakeups)
        with traffic(a) as client, traffic(b) as server:
            count = CONNECTIONS * int(WINDOW_SECONDS + 2)
            server.tell("listen", "l", "::", 8000)
            server.begin("serve", "l", count)
            client.begin("cycle", "10.9.0.2", 8000, count, CONNECTIONS)
            loads.pause(1)
            for name, (cpu, wakeups) in measure(group).items():
                context.results.add(POINT, load, name, trickle_cpu=cpu, trickle_wakeups=wakeups)
            client.answer()
            server.answer()


def run(context):
    for load, number in SOCKETS.items():
        with loads.pair() as (a, b), open_sockets(a, number):
            measure_group(context, (a, b), load, [context.others[contestants.LOOP], *context.modes.values()])
            if contestants.NETHOGS in context.others:
                measure_group(context, (a, b), load, [context.others[contestants.NETHOGS]])
