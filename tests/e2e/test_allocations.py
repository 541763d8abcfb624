#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Allocations that fail, each one in turn: an error with a sentence, or the work done; never a crash.

By hand the same for anything else: FAIL_ALLOCATIONS=each LD_PRELOAD=build/tests/preload/fail-allocations.so COMMAND."""

import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import tempfile

import cgroup
import raw_bus
from harness import (DEADLINE, INTERFACE, NAME, OBJECT, Skip, daemon_on, descriptors, has_owner, hosts, main, running, served,
                     streamed, traffic, until)

NOBODY = 65534
MB = 1 << 20
GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"


def preload(build):
    return str(pathlib.Path(build, "tests/preload/fail-allocations.so").resolve())


def fail_each(build, *command, **environment):
    """Runs the command once for each of its allocations; returns how many there were."""
    result = subprocess.run([str(word) for word in command], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            check=False, timeout=120, env={**os.environ, "FAIL_ALLOCATIONS": "each",
                                                           "LD_PRELOAD": preload(build), **environment})
    told = re.search(r"^(\d+) allocations, each failed once: (\d+) runs ended with an error, 0 wrongly$",
                     result.stdout, re.MULTILINE)
    assert result.returncode == 0 and told, (command, result.stdout[-4000:])
    assert int(told.group(2)) > 0, result.stdout
    return int(told.group(1))


def test_savefile(build):
    """What is read has a row for what the tables had no memory for, or ends with an error. Without a filter: libpcap's
    compiler for them crashes at one of its own."""
    for words in (["en10mb.pcap"], ["raw.pcap", "--address", "192.0.2.1"]):
        fail_each(build, f"{build}/netflowd", *words[1:], "--read", GOLDEN / words[0],
                  FAIL_ALLOCATIONS_TOLD="unattributed-overflow")


def test_client(build):
    """An answer that is whole, or an error."""
    with hosts(1) as (host,), daemon_on(host, build) as daemon, traffic(host) as client:
        client.tell("listen", "l", "127.0.0.1", 7777)
        client.tell("connect", "c", "127.0.0.1", 7777)
        until(lambda: daemon.row(client.pid), "a row")
        daemon.settled()  # what is shown stays the same
        for words, environment in (
                (["status"], {}),
                # averages fall while it goes on: what has an end is whole
                (["rank", "--json"], {"FAIL_ALLOCATIONS_TOLD": "\n]\n"})):
            fail_each(build, f"{build}/netflowctl", *words, DBUS_SYSTEM_BUS_ADDRESS=daemon.address, **environment)


WARNINGS = re.compile(r"netflowd: (out of memory: windows miss \d+ additions, totals have them"
                      r"|lost the connection to the bus; capturing goes on, connecting again"
                      r"|connected to the bus again)\n")


def answers(daemon):
    return daemon.ctl("status", check=False, stderr=subprocess.DEVNULL).returncode == 0


def test_daemon(build):
    """While it runs it does without: libsystemd gives up a connection then, which is made anew; nothing is lost that is
    not counted, and no descriptor stays open."""
    with tempfile.TemporaryDirectory() as directory, hosts() as (a, b):
        program = pathlib.Path(directory, "netflowd")
        program.write_text(f"#!/bin/sh\nFAIL_ALLOCATIONS=signal LD_PRELOAD={preload(build)} exec {build}/netflowd \"$@\"\n",
                           encoding="ascii")
        program.chmod(0o755)
        os.symlink(f"{build}/netflowctl", f"{directory}/netflowctl")
        with daemon_on(a, directory) as daemon:
            with streamed(a, b, "10.9.0.2"):
                until(lambda: daemon.ledger()["attributed"] > 0, "an owner that was looked up")
            daemon.settled()
            before = descriptors(daemon)
            for _ in range(4):
                daemon.process.send_signal(signal.SIGUSR2)
                call = subprocess.Popen([f"{build}/netflowctl", "rank"], env=daemon.environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                with streamed(a, b, "10.9.0.2"):
                    pass
                daemon.process.send_signal(signal.SIGUSR1)
                call.kill()  # the answer may be what was lost
                call.wait()
            until(lambda: has_owner(daemon) and answers(daemon), "an answer")
            # a row that has lost its seconds leaves the rank with its process, so that rows may have less
            ledger = daemon.settled()
            assert ledger["seen"] == ledger["attributed"] + sum(
                value for key, value in ledger.items() if key.startswith("unattributed-")), ledger
            until(lambda: descriptors(daemon) == before, "no more descriptors than before")
            daemon.process.send_signal(signal.SIGTERM)
            output = daemon.process.communicate(timeout=DEADLINE)[1]
            assert daemon.process.returncode == 0 and not WARNINGS.sub("", output), output


def test_more_than_the_limit(build):
    """A message that our own limit has no memory for, which any user may send: the connection to the bus is made anew, and
    the books stay."""
    with cgroup.group("memory") as limited:
        if not limited:
            raise Skip("needs a memory controller of cgroups(7)")
        limited.set_memory_max(32 * MB)
        command = limited.command([f"{build}/netflowd", "--config", "/dev/null", "--log-level", "err"])
        with running(build, command, limits={"max_message_size": 100 * MB}) as daemon, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client, \
                raw_bus.Connection(daemon.address, NOBODY) as abuser:
            for _ in range(10):
                client.sendto(b"x" * 1000, ("127.0.0.1", 9))
            before = until(lambda: (daemon.row(os.getpid()) or {}).get("total"), "a row")
            for _ in range(3):
                assert abuser.ask(NAME, OBJECT, INTERFACE, "GetProcessRank", signature="ay",
                                  body=struct.pack("<I", 60 * MB) + b"x" * (60 * MB)) == raw_bus.ERROR
                until(lambda: served(daemon), "the bus again")
            now = daemon.row(os.getpid())["total"]
            assert now["out"] >= before["out"] > 0 and now["since_usec"] == before["since_usec"], (before, now)


main([test_savefile, test_client, test_daemon, test_more_than_the_limit])
