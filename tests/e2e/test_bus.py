#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""D-Bus clients that are not ours: busctl, gdbus and Python's dbus."""

import json
import re
import select
import subprocess
import sys
import time

from harness import DEADLINE, FEWER, INTERFACE, NAME, OBJECT, assert_balanced, busy, main, move, read_until, sh, until

PUBLIC = {"pid": "u", "name": "s", "uid": "u", "user": "s", "inode_count": "u", "traffic_stats": "a{sv}",
          "total": "a{sv}"}
PRIVATE = {"exe": "s", "cgroup": "s", "inodes": "at"}
STATS = {"in", "out", "in_rate", "out_rate", "input_ewma", "output_ewma"}
TOTAL = {"in", "out", "packets_in", "packets_out", "since_usec"}


def busctl_json(daemon, method, *arguments):
    return json.loads(daemon.busctl("-j", "call", NAME, OBJECT, INTERFACE, method, *map(str, arguments)))["data"][0]


def assert_row(row, keys):
    """Just these keys, of these types."""
    types = {key: value["type"] for key, value in row.items()}
    assert types == keys, (types, keys)
    assert set(row["traffic_stats"]["data"]) == STATS, row
    assert set(row["total"]["data"]) == TOTAL, row


def test_busctl(build):
    with busy(build) as (daemon, client):
        methods = {"state": "s", "start_time_usec": "t", "ring": "a(xtt)", **PUBLIC, **PRIVATE}
        rows = busctl_json(daemon, "GetProcessRank", "uu", 0, 300)
        assert len(rows) == 2, rows
        for row in rows:
            assert_row(row, methods)
        assert len(busctl_json(daemon, "GetProcessRank", "uu", 1, 300)) == 1
        row = busctl_json(daemon, "GetProcess", "u", client.pid)
        assert_row(row, methods)
        assert row["total"]["data"]["out"]["data"] == 20 * 1028, row
        seconds = [bucket[0] for bucket in row["ring"]["data"]]
        assert seconds == sorted(seconds) and seconds, row
        text = daemon.busctl("introspect", NAME, OBJECT, INTERFACE)
        for member, signature in (("GetProcessRank", "uu"), ("GetProcess", "u"), ("RankChanged", "uaa{sv}"),
                                  ("ProcessesChanged", "aa{sv}aa{sv}u"), ("Ledger", "a{st}"), ("Devices", "aa{sv}")):
            assert re.search(rf"\.{member} .*{re.escape(signature)} ", text), (member, text)
        for name, start in (("Version", 's "'), ("APIVersion", "u 1"), ("Capturing", "b true"), ("Backend", 's "pcap"'),
                            ("BackendReason", 's ""'), ("Filter", 's ""'), ("PacketsReceived", "t "),
                            ("PacketsDropped", "t 0"), ("Ledger", "a{st} "), ("Devices", 'aa{sv} 1 6 "name" s "any"')):
            value = daemon.busctl("get-property", NAME, OBJECT, INTERFACE, name)
            assert value.startswith(start), (name, value)


def test_errors(build):
    """Out of range, and not there: the error's name, and a sentence that names the argument and its range."""
    with busy(build) as (daemon, _):
        for call, name, words in ((("GetProcessRank", "uu", "5", "0"), "InvalidArgs", ("recent", "1..300")),
                                  (("GetProcessRank", "uu", "5", "301"), "InvalidArgs", ("recent", "1..300")),
                                  (("GetProcessRank", "uu", "5", "4294967295"), "InvalidArgs", ("recent", "1..300")),
                                  (("GetProcess", "u", "0"), "InvalidArgs", ("pid", "1..")),
                                  (("GetProcess", "u", "4194304"), "NoSuchProcess", ("4194304",)),
                                  (("GetProcessRank", "s", "x"), "InvalidArgs", ()),
                                  (("Nonsense",), "UnknownMethod", ())):
            result = subprocess.run(["gdbus", "call", "--address", daemon.address, "-d", NAME, "-o", OBJECT, "-m",
                                     f"{INTERFACE}.{call[0]}", *call[2:]] if call[1:2] != ("s",) else
                                    ["busctl", f"--address={daemon.address}", "call", NAME, OBJECT, INTERFACE, *call],
                                    check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert result.returncode != 0, call
            assert name in result.stderr or call[1:2] == ("s",), (call, result.stderr)
            assert all(word in result.stderr for word in words), (call, result.stderr)
        failed = daemon.ctl("show", "4194304", check=False, stderr=subprocess.PIPE)
        assert failed.returncode == 1 and "No traffic of process 4194304" in failed.stderr, failed


def test_gdbus_signals(build):
    with busy(build) as (daemon, client), \
            subprocess.Popen(["gdbus", "monitor", "--address", daemon.address, "-d", NAME], text=True,
                             stdout=subprocess.PIPE) as monitor:
        try:
            read_until(monitor.stdout, "is owned by")
            move(client)
            line = read_until(monitor.stdout, "RankChanged")
            assert f"'pid': <uint32 {client.pid}>" in line, line
            for key in ("exe", "cgroup", "inodes", "ring"):
                assert f"'{key}'" not in line, line
        finally:
            monitor.terminate()


FOLLOW = """
import sys, dbus, dbus.mainloop.glib
from gi.repository import GLib
dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.bus.BusConnection(sys.argv[1])
def show(*arguments, member=None):
    print(member, "".join(a.signature and f"a{a.signature}" if isinstance(a, dbus.Array) else "u" for a in arguments),
          *([sorted(row) for row in a] if isinstance(a, dbus.Array) else int(a) for a in arguments), flush=True)
bus.add_signal_receiver(show, dbus_interface="org.netflowd1.Manager", member_keyword="member")
manager = dbus.Interface(bus.get_object("org.netflowd1", "/org/netflowd1"), "org.netflowd1.Manager")
print("rank", len(manager.GetProcessRank(dbus.UInt32(0), dbus.UInt32(300))), flush=True)
GLib.MainLoop().run()
"""


def test_python_dbus(build):
    """Signals as they are due: a new process, its traffic, its exit; and silence when nothing moves."""
    with busy(build) as (daemon, client), \
            subprocess.Popen([sys.executable, "-c", FOLLOW, daemon.address], text=True,
                             stdout=subprocess.PIPE) as follower:
        try:
            assert read_until(follower.stdout, "rank").split() == ["rank", "2"]
            move(client)
            line = read_until(follower.stdout, "RankChanged uaa{sv}")
            assert "'pid'" in line and "'exe'" not in line and "'ring'" not in line, line
            client.tell("udp", "late", "127.0.0.1", 0)
            client.process.stdin.close()
            client.process.wait(DEADLINE)
            line = read_until(follower.stdout, r"ProcessesChanged aa\{sv\}aa\{sv\}u|ProcessesChanged .*'pid'")
            assert "'pid'" in line, line
            # the window runs out, and then there is nothing to tell
            until(lambda: not select.select([follower.stdout], [], [], 2.5)[0] or not follower.stdout.readline(),
                  "silence")
        finally:
            follower.terminate()


def test_other_user(build):
    """Who is not the process's user sees its counts and name; not its executable, its cgroup, its sockets."""
    with busy(build) as (daemon, client):
        command = ["setpriv", "--reuid=65534", "--clear-groups", "busctl", f"--address={daemon.address}", "-j", "call",
                   NAME, OBJECT, INTERFACE, "GetProcess", "u", str(client.pid)]
        row = json.loads(sh(command))["data"][0]
        assert not set(row) & set(PRIVATE), row
        assert set(PUBLIC) <= set(row), row
        table = sh(["setpriv", "--reuid=65534", "--clear-groups", f"{build}/netflowctl", "rank"], env=daemon.environment)
        assert re.search(rf"{client.pid}  \S+  +-  ", table), table


def test_abuse(build):
    """A client that calls and never reads: others are served, and the daemon does not grow."""
    flood = """
import socket, sys, dbus.lowlevel as low, dbus
bus = dbus.bus.BusConnection(sys.argv[1])
for i in range(20000):
    message = low.MethodCallMessage("org.netflowd1", "/org/netflowd1", "org.netflowd1.Manager", "GetProcessRank")
    message.append(dbus.UInt32(0), dbus.UInt32(300))
    bus.send_message(message)
bus.flush()
print("sent", flush=True)
sys.stdin.read()
"""
    with busy(build) as (daemon, _), \
            subprocess.Popen([sys.executable, "-c", flood, daemon.address], text=True, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE) as client:
        assert client.stdout.readline() == "sent\n"
        begin = time.monotonic()
        assert len(daemon.rank()) == 2
        waited = time.monotonic() - begin
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as status:
            resident = int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])
        limit = 1 << 20 if "sanitize" in build else 100000
        assert resident < limit, resident
        client.stdin.close()
        assert_balanced(daemon, daemon.settled())
    return f"{resident} kB resident, other client answered in {waited:.2f} s"


def test_thousand_processes(build):
    """A thousand processes in the books, and how long the rank takes then."""
    count = 200 if FEWER else 1000
    script = f"""
import os, select, socket, sys
for _ in range({count}):
    if os.fork() == 0:
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.sendto(b"x" * 100, ("127.0.0.1", 7000))
        os.write(1, b".")
        while not select.select([0], [], [], 2)[0]:
            s.sendto(b"x" * 100, ("127.0.0.1", 7000))  # for a daemon that was too late to find the owner of one
        os._exit(0)
for _ in range({count}):
    os.wait()
"""
    with busy(build, "--log-level", "err") as (daemon, _):
        name = sh(["ip", "netns", "identify", str(daemon.process.pid)]).strip()
        process = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", script],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert len(process.stdout.read(count)) == count
        until(lambda: len(daemon.rank()) >= count, f"{count} processes in the rank")
        times = []
        for _ in range(10):
            begin = time.monotonic()
            rows = len(daemon.rank())
            times.append(time.monotonic() - begin)
        process.communicate()  # closes their standard input, which ends them
        return f"rank of {rows} in {sorted(times)[5] * 1000:.0f} ms, the client's start in it"


main([test_busctl, test_errors, test_gdbus_signals, test_python_dbus, test_other_user, test_abuse,
      test_thousand_processes])
