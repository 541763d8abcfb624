#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Callers that mean no good. Whatever comes over the bus, other callers are served, and neither memory nor descriptors
nor processor time go to who asks for too much.

NETFLOWD_TEST_CONNECTIONS and NETFLOWD_TEST_CALLS are how many of these there are."""

import contextlib
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess

import raw_bus
from harness import (DEADLINE, INTERFACE, NAME, OBJECT, assert_balanced, busy, hosts, main, move, read_until, until)

CONNECTIONS = int(os.environ.get("NETFLOWD_TEST_CONNECTIONS", "250"))
CALLS = int(os.environ.get("NETFLOWD_TEST_CALLS", "20000"))
NOBODY = 65534
MANAGER = (NAME, OBJECT, INTERFACE)
EVERYTHING = {"signature": "uu", "body": struct.pack("<II", 0, 300)}  # for GetProcessRank
MB = 1 << 20


def sanitized(build):
    return b"__asan_" in pathlib.Path(build, "netflowd").read_bytes()


def anonymous(daemon):
    """Bytes of memory of its own."""
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", text)[1])


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def ticks(pid):
    """Of processor time, in user space and the kernel: proc(5)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@contextlib.contextmanager
def within(daemon, grown=4 * MB, more_descriptors=4):
    """What is done in here, the daemon holds no more for it than that, neither meanwhile nor afterwards; and it answers.
    Sanitizers keep what is freed."""
    memory, fds, most = anonymous(daemon), descriptors(daemon), []

    def look():
        most.append((anonymous(daemon) - memory, descriptors(daemon) - fds))

    yield look
    assert len(daemon.rank()) >= 2
    look()
    for bytes_more, fds_more in most:
        assert bytes_more <= grown or sanitized(daemon.build), most
        assert fds_more <= more_descriptors, most


@contextlib.contextmanager
def never_answering_polkit(daemon):
    """Has its name, and reads no call."""
    with raw_bus.Connection(daemon.address) as polkit:
        polkit.ask(*raw_bus.BUS, "RequestName", signature="su",
                   body=raw_bus.padded(raw_bus.string("org.freedesktop.PolicyKit1"), 4) + struct.pack("<I", 0))
        yield polkit


def test_many_connections(build):
    """Of one user, each of which wants every signal and everything there is, and reads nothing."""
    with busy(build, limits={"max_connections_per_user": 2000}) as (daemon, client), contextlib.ExitStack() as stack, \
            within(daemon) as look:
        before = [ticks(process.pid) for process in (daemon.process, daemon.bus.process)]
        for _ in range(CONNECTIONS):
            abuser = stack.enter_context(raw_bus.Connection(daemon.address, NOBODY))
            abuser.send(*raw_bus.BUS, "AddMatch", signature="s", body=raw_bus.string(f"sender='{NAME}'"))
            for _ in range(20):
                abuser.send(*MANAGER, "GetProcessRank", **EVERYTHING)
        for _ in range(10):
            move(client)
            assert len(daemon.rank()) == 2
            look()
        own, bus = (ticks(process.pid) - then for process, then in zip((daemon.process, daemon.bus.process), before))
        assert own <= 2 * bus + 10, (own, bus)  # what is asked of it costs others as much
        assert_balanced(daemon, daemon.settled())
        return f"{CONNECTIONS} connections; ticks: {own}, the bus {bus}"


def test_never_read(build):
    """Many calls of one client, one after the other, of which it reads no answer."""
    with busy(build, limits={"max_replies_per_connection": 2 * CALLS}) as (daemon, _), within(daemon) as look, \
            raw_bus.Connection(daemon.address, NOBODY) as abuser:
        begin = ticks(daemon.process.pid)
        for n in range(CALLS):
            abuser.send(*MANAGER, "GetProcessRank", **EVERYTHING)
            if n % (CALLS // 10) == 0:
                assert len(daemon.rank()) == 2
                look()
        assert len(daemon.rank()) == 2
        assert_balanced(daemon, daemon.settled())
        return f"{CALLS} calls; {ticks(daemon.process.pid) - begin} ticks, {anonymous(daemon) // 1024} kB"


def test_stuck_bus(build):
    """A bus keeps what is not read, and reads no more from whose answers it keeps. Then the daemon comes anew, and who
    was not served is served."""
    few = {"max_incoming_bytes": MB, "max_outgoing_bytes": MB, "max_replies_per_connection": 50000}
    with busy(build, "--log-level", "warning", limits=few) as (daemon, client), within(daemon), \
            raw_bus.Connection(daemon.address, NOBODY) as abuser:
        abuser.socket.settimeout(1)
        with contextlib.suppress(TimeoutError):
            for _ in range(5000):
                abuser.send(*MANAGER, "GetProcessRank", **EVERYTHING)
        assert "the bus reads nothing from us any more" in read_until(daemon.process.stderr, "")
        until(lambda: daemon.ctl("rank", check=False, stderr=subprocess.DEVNULL).returncode == 0, "an answer")
        assert daemon.row(client.pid)["total"]["out"] == 20 * 1028


def nested(depth):
    """A variant in a variant, and so on; as deep as a message may be: 64."""
    return b"\1v\0" * (depth - 1) + b"\1y\0x"


def strings(size):
    """An as of so many bytes: many short ones."""
    return struct.pack("<I", size - 2) + (raw_bus.padded(raw_bus.string("x"), 4) * (size // 8))[:-2]


def options(*entries):
    """An a{sv} from where its entries begin, each of which is a name, a type, and its value aligned to 4."""
    body = b""
    for name, kind, value in entries:
        body = raw_bus.padded(body, 8) + raw_bus.string(name) + bytes([len(kind)]) + kind.encode() + b"\0"
        body = (body if kind == "v" else raw_bus.padded(body, 4)) + value
    return body


def option(*entry):
    """A whole a{sv} at the beginning of a body."""
    body = options(entry)
    return struct.pack("<II", len(body), 0) + body


def for_pid(body):
    """ua{sv}, with an array of these bytes."""
    return struct.pack("<II", 0, len(body)) + body


def test_huge_calls(build):
    """Of what a bus lets through: most is an error, and nothing stays."""
    size = 60 * MB
    calls = [("StartCapture", "a{sv}", option("filter", "s", raw_bus.string(b"x" * size))),
             ("StartCapture", "a{sv}", option("devices", "as", strings(size))),
             ("GetRank", "suua{sv}", raw_bus.padded(raw_bus.string(b"x" * (20 * MB + 3)) + struct.pack("<III", 0, 1, 0), 8)),
             ("ListFlows", "ua{sv}", for_pid((raw_bus.padded(raw_bus.string("") + b"\1y\0x", 16) * MB)[:-7])),
             ("ListFlows", "ua{sv}", for_pid(options(("x", "v", nested(58))))),
             ("GetProcessRank", "ay", struct.pack("<I", size) + b"x" * size),
             ("GetProcessRank", "as", strings(size)),
             ("Nonsense", "v", nested(60))]
    with busy(build, limits={"max_message_size": 100 * MB}) as (daemon, _), within(daemon) as look, \
            raw_bus.Connection(daemon.address, NOBODY) as abuser:
        for member, signature, body in calls:
            kind = abuser.ask(*MANAGER, member, signature=signature, body=body)
            assert kind == raw_bus.ERROR, (member, signature)
            abuser.ask(*MANAGER, "Nonsense")  # then the one before is forgotten
            look()


def test_waiting_calls(build):
    """As long as polkit does not answer, of calls with much in them and many descriptors little is held."""
    filters = option("filter", "s", raw_bus.string("x" * 65535))
    calls = {NOBODY: ("StartCapture", "a{sv}", filters, 0), 1: ("StorePcap", "ha{sv}", struct.pack("<II", 3, 0), 16),
             2: ("StopCapture", "", b"", 16)}
    with busy(build, limits={"max_replies_per_connection": 1000}) as (daemon, _), never_answering_polkit(daemon), \
            within(daemon, more_descriptors=70) as look, contextlib.ExitStack() as stack, open("/dev/null", "wb") as null:
        for uid, (member, signature, body, fds) in calls.items():
            abuser = stack.enter_context(raw_bus.Connection(daemon.address, uid))
            for _ in range(100):
                abuser.send(*MANAGER, member, signature=signature, body=body, fds=[null.fileno()] * fds,
                            flags=raw_bus.INTERACTIVE)
            assert len(daemon.rank()) == 2
            look()


def vanish(address, member, **arguments):
    """One who asks and does not wait."""
    with raw_bus.Connection(address, NOBODY) as abuser:
        for _ in range(20):
            abuser.send(*MANAGER, member, **arguments)


def test_callers_vanish(build):
    """Between the question who they are, what they may, and the answer; and polkit itself, which who waits for it hears
    of at once."""
    stop = {"flags": raw_bus.INTERACTIVE}
    with busy(build, limits={"max_connections_per_user": 2000}) as (daemon, _), within(daemon), \
            raw_bus.Connection(daemon.address, NOBODY) as waiting:
        for _ in range(50):
            vanish(daemon.address, "GetProcessRank", **EVERYTHING)
        for _ in range(3):
            with never_answering_polkit(daemon):
                for _ in range(10):
                    vanish(daemon.address, "StopCapture", **stop)
                waiting.send(*MANAGER, "StopCapture", **stop)
                assert len(daemon.rank()) == 2
            assert waiting.answer() == raw_bus.ERROR
        assert daemon.status()["Capturing"]


def test_bus_lost_in_flight(build):
    """The bus goes while calls wait for polkit, and one that is new has none of them."""
    with busy(build, "--log-level", "warning") as (daemon, client), within(daemon):
        for _ in range(2):
            with never_answering_polkit(daemon), raw_bus.Connection(daemon.address, NOBODY) as waiting:
                for _ in range(50):
                    waiting.send(*MANAGER, "StopCapture", flags=raw_bus.INTERACTIVE)
                assert len(daemon.rank()) == 2
                daemon.restart_bus()
            until(lambda: daemon.ctl("rank", check=False, stderr=subprocess.DEVNULL).returncode == 0, "an answer")
            assert daemon.row(client.pid)["total"]["out"] == 20 * 1028
            assert "lost the connection to the bus" in daemon.process.stderr.readline()


class Peer:
    """A daemon that serves nobody but us, on a pair of sockets."""

    def __init__(self, host, build):
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            host.command([f"{build}/netflowd", "--config", "/dev/null", "--backend", "pcap", f"--bus-fd={theirs.fileno()}"]),
            pass_fds=[theirs.fileno()], text=True, stderr=subprocess.PIPE)
        theirs.close()
        self.connection = raw_bus.Connection(None, peer=ours)

    def end(self):
        """As it does when whom it serves is gone, which is no error."""
        said = self.process.communicate(timeout=DEADLINE)[1]
        self.connection.close()
        assert self.process.returncode == 0 and not said, (self.process.returncode, said)


@contextlib.contextmanager
def peer(host, build):
    made = Peer(host, build)
    try:
        yield made
    finally:
        if made.process.poll() is None:
            made.process.kill()
            made.process.communicate()


def corrupt(data, at, *values):
    """With these bytes there."""
    return data[:at] + bytes(values) + data[at + len(values):]


def test_malformed(build):
    """Bytes that are no message: there is nobody between the peer and the daemon, and it ends as if the peer had gone."""
    good = raw_bus.call(7, *MANAGER, "GetProcessRank", **EVERYTHING)
    malformed = {
        "big-endian in name only": corrupt(good, 0, ord("B")),
        "no endianness": corrupt(good, 0, 0),
        "no type": corrupt(good, 1, 0),
        "another version": corrupt(good, 3, 9),
        "a body that is too long": corrupt(good, 4, 0xff, 0xff, 0xff, 0xff),
        "fields that are too long": corrupt(good, 12, 0xff, 0xff, 0xff, 0x7f),
        "fields that end in the middle": corrupt(good, 12, 3),
        "no serial": corrupt(good, 8, 0, 0, 0, 0),
        "a signature that is none": good.replace(b"\x02uu\0", b"\x02(u\0"),
        "a path that is none": good.replace(b"/org/netflowd1", b"//rg/netflowd1"),
        "a member that is no text": good.replace(b"GetProcessRank", b"\xff\xfe\x00ProcessRank"),
        "descriptors that are not there": raw_bus.call(7, *MANAGER, "StopCapture", fds=3),
    }
    with_filter = option("filter", "s", raw_bus.string("tcp"))
    refused = {
        "an array that is too long": ("StartCapture", "a{sv}", b"\xf0\xff\xff\x03" + with_filter[4:]),
        "a string that is too long": ("StartCapture", "a{sv}", with_filter.replace(b"\3\0\0\0tcp", b"\xff\xff\xff\x7ftcp")),
        "a string that is no UTF-8": ("StartCapture", "a{sv}", with_filter.replace(b"tcp", b"\xff\xc0\x80")),
        "a string with its end within": ("StartCapture", "a{sv}", with_filter.replace(b"tcp", b"t\0p")),
        "a descriptor that is not there": ("StorePcap", "ha{sv}", struct.pack("<II", 99, 0)),
        "less than the signature": ("GetProcessRank", "uu", struct.pack("<I", 0)),
        "another signature": ("GetProcessRank", "s", raw_bus.string("0")),
    }
    with hosts(1) as (a,):
        for data in malformed.values():
            with peer(a, build) as served:
                with contextlib.suppress(OSError):  # it may be gone already
                    served.connection.send_raw(data)
                    served.connection.socket.shutdown(socket.SHUT_WR)
                served.end()
        with peer(a, build) as served:
            for what, (member, signature, body) in refused.items():
                assert served.connection.ask(*MANAGER, member, signature=signature, body=body) == raw_bus.ERROR, what
            assert served.connection.ask(*MANAGER, "GetProcessRank", **EVERYTHING) == raw_bus.METHOD_RETURN
            served.connection.close()
            served.end()


def test_peer_that_never_reads(build):
    """It is given up for lost; and does not keep a daemon that is to end from ending."""
    with hosts(1) as (a,):
        with peer(a, build) as served:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                while True:
                    served.connection.send(*MANAGER, "Nonsense")
            served.end()
        with peer(a, build) as served:
            for _ in range(1000):
                served.connection.send(*MANAGER, "Nonsense")
            served.connection.send_raw(served.connection.message(*MANAGER, "StopCapture")[:20])  # the rest never comes
            served.process.send_signal(signal.SIGTERM)
            served.end()


main([test_many_connections, test_never_read, test_stuck_bus, test_huge_calls, test_waiting_calls, test_callers_vanish,
      test_bus_lost_in_flight, test_malformed, test_peer_that_never_reads])
