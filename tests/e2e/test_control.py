#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Starting, stopping, flows, and who may: with a polkit that does as it is told."""

import contextlib
import os
import re
import select
import subprocess
import sys

from harness import (DEADLINE, FEWER, INTERFACE, NAME, OBJECT, assert_balanced, busy, daemon_on, descriptors, hosts, main, move,
                     read_until, traffic, until)

NOBODY = ["setpriv", "--reuid=65534", "--clear-groups"]

# Answers "yes" and "no" at once, "interactive" with yes where a question to the user is allowed, "silence" never.
POLKIT = """
import sys, dbus, dbus.service, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
class Authority(dbus.service.Object):
    @dbus.service.method("org.freedesktop.PolicyKit1.Authority", "(sa{sv})sa{ss}us", "(bba{ss})",
                         async_callbacks=("reply", "error"))
    def CheckAuthorization(self, subject, action, details, flags, cancel, reply, error):
        print("asked", subject[0], action, int(flags), flush=True)
        if sys.argv[2] == "silence":
            return
        reply((sys.argv[2] == "yes" or sys.argv[2] == "interactive" and flags & 1, False, {}))
name = dbus.service.BusName("org.freedesktop.PolicyKit1", bus)
authority = Authority(bus, "/org/freedesktop/PolicyKit1/Authority")
print("ready", flush=True)
GLib.MainLoop().run()
"""


@contextlib.contextmanager
def polkit(daemon, answer):
    with subprocess.Popen([sys.executable, "-c", POLKIT, daemon.address, answer], text=True,
                          stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield process.stdout
        finally:
            process.terminate()


def as_nobody(daemon, *words):
    return subprocess.run([*NOBODY, f"{daemon.build}/netflowctl", *words], env=daemon.environment, check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)


def call_as_nobody(daemon, *words):
    return [*NOBODY, "busctl", f"--address={daemon.address}", "call", NAME, OBJECT, INTERFACE, *words]


def test_stop_and_start(build):
    """What was counted stays, what passes meanwhile does not count, and both are told."""
    with busy(build) as (daemon, client), \
            subprocess.Popen(["gdbus", "monitor", "--address", daemon.address, "-d", NAME], text=True,
                             stdout=subprocess.PIPE) as monitor:
        try:
            read_until(monitor.stdout, "is owned by")
            before = daemon.row(client.pid)["total"]
            daemon.ctl("stop")
            daemon.ctl("stop")  # twice is once
            assert "'requested'" in read_until(monitor.stdout, "CaptureStopped")
            assert "<false>" in read_until(monitor.stdout, "PropertiesChanged.*'Capturing'")
            status = daemon.status()
            assert status["Capturing"] is False and status["Devices"][0]["state"] == "stopped", status
            move(client)
            assert daemon.row(client.pid)["total"] == before
            assert_balanced(daemon, daemon.ledger())
            daemon.ctl("start")
            daemon.ctl("start")
            read_until(monitor.stdout, "CaptureStarted")
            move(client)
            daemon.settled()
            after = daemon.row(client.pid)["total"]
            assert after["out"] == before["out"] + 20 * 1028, (before, after)
            assert_balanced(daemon, daemon.ledger())
            assert daemon.status()["PacketsReceived"] == 40
        finally:
            monitor.terminate()


def test_timeout(build):
    """It stops by itself, on a silent link too, and can be started again; a time that is given later replaces it."""
    with daemon_of(build, "--timeout", "300ms") as (daemon, client, monitor):
        assert "'timeout'" in read_until(monitor, "CaptureStopped")
        before = daemon.ledger()
        move(client)
        assert daemon.ledger() == before and daemon.status()["Capturing"] is False
        daemon.ctl("start")  # for 300 ms again
        read_until(monitor, "CaptureStarted")
        assert "'timeout'" in read_until(monitor, "CaptureStopped")
        daemon.ctl("start", "--timeout", "infinity")
        read_until(monitor, "CaptureStarted")
        move(client)
        daemon.settled()
        assert daemon.row(client.pid)["total"]["out"] == 20 * 1028
        assert daemon.status()["Capturing"] is True
        daemon.ctl("start", "--timeout", "1ms")  # of one that runs
        assert "'timeout'" in read_until(monitor, "CaptureStopped")
        assert_balanced(daemon, daemon.ledger())


def test_filter(build):
    """A filter that is given counts from now on; a bad one is refused in libpcap's words, and changes nothing."""
    with daemon_of(build) as (daemon, client, _):
        daemon.ctl("start", "--filter", "udp dst port 7001")
        assert daemon.status()["Filter"] == "udp dst port 7001"
        move(client)
        client.tell("send", "c", "127.0.0.1", 7001, 5, 100)
        assert daemon.settled()["seen"] == 2 * 5 * 128
        for bad in ("nonsense (", "tcp) or (udp", "port " + "7" * 65536, "x" * 65536):
            result = daemon.ctl("start", "--filter", bad, check=False, stderr=subprocess.PIPE)
            assert result.returncode == 1 and result.stderr.count("\n") == 1, result
            assert daemon.status()["Filter"] == "udp dst port 7001"
        client.tell("send", "c", "127.0.0.1", 7001, 5, 100)
        assert daemon.settled()["seen"] == 2 * 10 * 128
        daemon.ctl("start", "--filter", "")
        move(client)
        assert daemon.settled()["seen"] == 2 * (10 * 128 + 20 * 1028)


def test_many_times(build):
    """Started and stopped, with traffic all the time: no descriptor, no memory, no balance is lost."""
    with daemon_of(build, "--log-level", "err") as (daemon, client, _):
        script = """
for n in range(int(sys.argv[2])):
    manager.StopCapture()
    manager.StartCapture(dbus.Dictionary({}, "sv"))
    if n in (50, int(sys.argv[2]) - 1):
        print(n, flush=True)
        sys.stdin.readline()
"""
        count = int(os.environ.get("NETFLOWD_TEST_TIMES", "100" if FEWER else "250"))
        with subprocess.Popen([sys.executable, "-c", CALLER + script, daemon.address, str(count)], text=True,
                              stdout=subprocess.PIPE, stdin=subprocess.PIPE) as caller:
            seen = []
            for _ in range(2):
                while not select.select([caller.stdout], [], [], 0.01)[0]:
                    client.tell("send", "c", "127.0.0.1", 7000, 20, 1000)
                caller.stdout.readline()
                if seen:  # some are open for a moment only
                    until(lambda: len(descriptors(daemon)) <= len(seen[0][0]), lambda: f"{seen[0][0]}, but {descriptors(daemon)}")
                seen.append((descriptors(daemon), resident(daemon)))
                caller.stdin.write("\n")
                caller.stdin.flush()
        assert caller.returncode == 0
        if "sanitize" not in build:
            assert seen[1][1] < seen[0][1] + 2048, seen
        assert_balanced(daemon, daemon.settled())
        return f"{count} times, {seen[1][1]} kB resident"


CALLER = """
import sys, dbus
bus = dbus.bus.BusConnection(sys.argv[1])
manager = dbus.Interface(bus.get_object("org.netflowd1", "/org/netflowd1"), "org.netflowd1.Manager")
"""


def resident(daemon):
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


@contextlib.contextmanager
def daemon_of(build, *options):
    """A daemon with these options, a process that will move bytes to itself, and what the bus tells."""
    with hosts(1) as (a,), daemon_on(a, build, *options) as daemon, traffic(a) as client, \
            subprocess.Popen(["gdbus", "monitor", "--address", daemon.address, "-d", NAME], text=True,
                             stdout=subprocess.PIPE) as monitor:
        try:
            read_until(monitor.stdout, "is owned by")
            client.tell("udp", "s", "127.0.0.1", 7000)
            client.tell("udp", "s1", "127.0.0.1", 7001)
            client.tell("udp", "c", "127.0.0.1", 0)
            yield daemon, client, monitor.stdout
        finally:
            monitor.terminate()


def test_started_all_the_time(build):
    """However often it is started, seconds close, and are told of."""
    with busy(build) as (daemon, client), subprocess.Popen(
            [f"{build}/netflowctl", "monitor", "--json"], env=daemon.environment, text=True, stdout=subprocess.PIPE) as monitor:
        try:
            read_until(monitor.stdout, "RankChanged")
            for _ in range(2):
                def told():
                    move(client)
                    daemon.ctl("start")
                    return select.select([monitor.stdout], [], [], 0)[0]

                until(told, "a signal", deadline=10, pause=0)
                assert "RankChanged" in monitor.stdout.readline()
        finally:
            monitor.terminate()


def test_options_refused(build):
    """What is not an option is an error, not ignored."""
    with busy(build) as (daemon, _):
        for words in (("StartCapture", "a{sv}", "1", "nonsense", "s", "x"),
                      ("ListFlows", "ua{sv}", "0", "1", "nonsense", "u", "1")):
            result = subprocess.run(["busctl", f"--address={daemon.address}", "call", NAME, OBJECT, INTERFACE, *words],
                                    check=False, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
            assert result.returncode != 0 and "nonsense" in result.stderr, result
        assert daemon.status()["Capturing"] is True


def test_flows(build):
    with busy(build) as (daemon, client):
        flow, = daemon.json("flows", str(client.pid))
        port = int(re.search(r":(\d+)$", flow["local"])[1])
        assert flow == {"pid": client.pid, "protocol": "udp", "local": f"127.0.0.1:{port}", "remote": "127.0.0.1:7000",
                        "in": 0, "out": 20 * 1028, "age_usec": flow["age_usec"]} and flow["age_usec"] > 0, flow
        assert len(daemon.json("flows")) == 2
        table = daemon.ctl("flows", str(client.pid)).stdout.splitlines()
        assert table[0].split() == ["PID", "PROTO", "LOCAL", "REMOTE", "IN", "OUT", "AGE"], table
        assert table[1].split()[:7] == [str(client.pid), "udp", flow["local"], flow["remote"], "0", "B", "21"], table
        failed = daemon.ctl("flows", "4194304", check=False, stderr=subprocess.PIPE)
        assert failed.returncode == 1 and "4194304" in failed.stderr, failed


def test_without_polkit(build):
    """Root, and one's own: nothing else, and at once."""
    with busy(build) as (daemon, client):
        for words in (("stop",), ("start",), ("flows", str(client.pid))):
            result = as_nobody(daemon, *words)
            assert result.returncode == 1 and result.stderr.startswith("netflowctl: access denied: "), result
            assert result.stderr.count("\n") == 1, result
        assert as_nobody(daemon, "flows").stdout == "No flows.\n"
        assert daemon.status()["Capturing"] is True


def test_polkit_grants(build):
    """Who may is asked with the name on the bus, and never with a question to the user for the rank."""
    with busy(build) as (daemon, client), polkit(daemon, "yes") as asked:
        result = as_nobody(daemon, "rank")
        assert re.search(rf"^ *{client.pid}  \S+  +/", result.stdout, re.MULTILINE), result
        assert asked.readline() == "asked system-bus-name org.netflowd1.inspect 0\n"
        assert str(client.pid) in as_nobody(daemon, "flows", str(client.pid)).stdout
        assert asked.readline() == "asked system-bus-name org.netflowd1.inspect 1\n"
        assert as_nobody(daemon, "stop").returncode == 0
        assert asked.readline() == "asked system-bus-name org.netflowd1.manage 1\n"
        assert daemon.status()["Capturing"] is False


def test_polkit_would_ask(build):
    """A question is for those who may be asked: a call that does not allow it is refused."""
    with busy(build) as (daemon, client), polkit(daemon, "interactive"):
        assert as_nobody(daemon, "stop").returncode == 0
        result = as_nobody(daemon, "rank")
        assert re.search(rf"^ *{client.pid}  \S+  +-", result.stdout, re.MULTILINE), result
        daemon.ctl("start")
        quiet = subprocess.run(call_as_nobody(daemon, "--allow-interactive-authorization=no", "StopCapture"), check=False,
                               text=True, stderr=subprocess.PIPE)
        assert quiet.returncode != 0 and daemon.status()["Capturing"] is True, quiet


def test_polkit_says_no(build):
    with busy(build) as (daemon, client), polkit(daemon, "no"):
        assert as_nobody(daemon, "stop").returncode == 1
        assert as_nobody(daemon, "flows", str(client.pid)).returncode == 1
        assert daemon.status()["Capturing"] is True


def test_polkit_hangs(build):
    """One that never answers holds up nobody else, and in the end not even who waited for it."""
    with busy(build) as (daemon, client), polkit(daemon, "silence") as asked:
        with subprocess.Popen(call_as_nobody(daemon, "GetProcessRank", "uu", "0", "300"), text=True,
                              stdout=subprocess.PIPE) as waiting:
            assert asked.readline() == "asked system-bus-name org.netflowd1.inspect 0\n"
            move(client)
            assert len(daemon.rank()) == 2 and waiting.poll() is None
            assert '"exe"' not in waiting.communicate(timeout=DEADLINE)[0] and waiting.returncode == 0


# Calls as it is told, all at once, and lets the user be asked; tells when as many were refused as it was told.
MANY = """
import sys
from gi.repository import Gio, GLib
bus = Gio.DBusConnection.new_for_address_sync(sys.argv[1], Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT |
                                              Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
refused = 0
def on_reply(bus, result):
    global refused
    name = bus.send_message_with_reply_finish(result).get_error_name()
    assert name == "org.freedesktop.DBus.Error.LimitsExceeded", name
    refused += 1
    if refused == int(sys.argv[2]):
        print("refused", flush=True)
for _ in range(int(sys.argv[3])):
    call = Gio.DBusMessage.new_method_call("org.netflowd1", "/org/netflowd1", "org.netflowd1.Manager", "StopCapture")
    call.set_flags(Gio.DBusMessageFlags.ALLOW_INTERACTIVE_AUTHORIZATION)
    bus.send_message_with_reply(call, Gio.DBusSendMessageFlags.NONE, 600000, None, on_reply)
bus.flush_sync()
print("sent", flush=True)
GLib.MainLoop().run()
"""


def test_quota_of_a_user(build):
    """Who has many calls waiting is told to wait, on however many connections; another user is not."""
    with busy(build) as (daemon, _), polkit(daemon, "silence"), contextlib.ExitStack() as stack:
        def many(uid, count, wanted):
            process = subprocess.Popen(
                ["setpriv", f"--reuid={uid}", "--clear-groups", sys.executable, "-c", MANY, daemon.address, str(wanted),
                 str(count)], text=True, stdout=subprocess.PIPE)
            stack.callback(process.kill)
            return process

        # of one connection, the bus itself lets no more than 128 calls wait: max_replies_per_connection
        full = [many(65534, 128 + 50, 50) for _ in range(2)]
        assert all(read_until(process.stdout, "refused") for process in full)
        assert read_until(many(65534, 20, 20).stdout, "refused")
        other = many(1, 30, 1)
        assert other.stdout.readline() == "sent\n"
        rank = ["setpriv", "--reuid=1", "--clear-groups", f"{build}/netflowctl", "rank"]
        assert subprocess.run(rank, env=daemon.environment, check=True, stdout=subprocess.PIPE).stdout
        assert len(daemon.rank()) == 2 and daemon.status()["Capturing"]
        assert not select.select([other.stdout], [], [], 0)[0], other.stdout.readline()


def test_bus_restarts(build):
    """The daemon comes back to a bus that went away, with its books."""
    with busy(build) as (daemon, client):
        before = daemon.row(client.pid)["total"]
        daemon.restart_bus()
        until(lambda: daemon.ctl("rank", check=False, stderr=subprocess.DEVNULL).returncode == 0, "a daemon on the bus")
        assert daemon.row(client.pid)["total"] == before
        said = [daemon.process.stderr.readline() for _ in range(2)]
        assert "lost the connection to the bus" in said[0] and "connected to the bus again" in said[1], said


main([test_stop_and_start, test_timeout, test_filter, test_many_times, test_started_all_the_time, test_options_refused, test_flows,
      test_without_polkit, test_polkit_grants, test_polkit_would_ask, test_polkit_says_no, test_polkit_hangs, test_quota_of_a_user, test_bus_restarts])
