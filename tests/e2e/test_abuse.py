#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Callers and traffic that mean no good. Whatever comes over the bus, other callers are served, and neither memory nor
descriptors nor processor time go to who asks for too much.

NETFLOWD_TEST_CONNECTIONS, _CALLS, _FLOOD and _FORKS are how many connections, calls, packets and processes there are."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys

import raw_bus
from harness import (DEADLINE, INTERFACE, NAME, OBJECT, assert_balanced, assert_ledger_balances, busy, choice, daemon_on,
                     daemon_with_bpf, descriptors, devices, hosts, main, move, read_until, sanitized, served, sh, streamed, total,
                     traffic, until, until_state)

CONNECTIONS = int(os.environ.get("NETFLOWD_TEST_CONNECTIONS", "250"))
CALLS = int(os.environ.get("NETFLOWD_TEST_CALLS", "20000"))
FLOOD = int(os.environ.get("NETFLOWD_TEST_FLOOD", "30000"))
FORKS = int(os.environ.get("NETFLOWD_TEST_FORKS", "1000"))
NOBODY = 65534
MANAGER = (NAME, OBJECT, INTERFACE)
EVERYTHING = {"signature": "uu", "body": struct.pack("<II", 0, 300)}  # for GetProcessRank
MB = 1 << 20


def anonymous(daemon):
    """Bytes of memory of its own."""
    text = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text(encoding="ascii")
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", text)[1])


def ticks(pid):
    """Of processor time, in user space and the kernel: proc(5)."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@contextlib.contextmanager
def within(daemon, grown=4 * MB, more_descriptors=4):
    """What is done in here, the daemon holds no more for it than that, neither meanwhile nor afterwards; and it answers.
    Sanitizers keep what is freed."""
    memory, fds, most = anonymous(daemon), len(descriptors(daemon)), []

    def look():
        most.append((anonymous(daemon) - memory, len(descriptors(daemon)) - fds))

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
    """Many calls of one client, one after the other, of which it reads no answer. With very many, the bus is full of
    answers once (see below), and who asks just then has to ask again."""
    with busy(build, "--log-level", "err", limits={"max_replies_per_connection": 2 * CALLS}) as (daemon, _), \
            within(daemon) as look, raw_bus.Connection(daemon.address, NOBODY) as abuser:
        begin, unserved = ticks(daemon.process.pid), 0
        for n in range(CALLS):
            abuser.send(*MANAGER, "GetProcessRank", **EVERYTHING)
            if n % (CALLS // 10) == 0:
                unserved += not served(daemon)
                look()
        until(lambda: served(daemon), "an answer")
        assert unserved <= (1 if CALLS > 100000 else 0), unserved
        assert_balanced(daemon, daemon.settled())
        return (f"{CALLS} calls; {ticks(daemon.process.pid) - begin} ticks, {anonymous(daemon) // 1024} kB, {unserved} of 10 "
                "others not served")


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
        until(lambda: served(daemon), "an answer")
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
            within(daemon, more_descriptors=110) as look, contextlib.ExitStack() as stack, open("/dev/null", "wb") as null:
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
    with busy(build, "--log-level", "err") as (daemon, client), within(daemon):
        for _ in range(2):
            with never_answering_polkit(daemon), raw_bus.Connection(daemon.address, NOBODY) as waiting:
                for _ in range(50):
                    waiting.send(*MANAGER, "StopCapture", flags=raw_bus.INTERACTIVE)
                assert len(daemon.rank()) == 2
                daemon.restart_bus()
            until(lambda: served(daemon), "an answer")
            assert daemon.row(client.pid)["total"]["out"] == 20 * 1028


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


SYN_FLOOD = """
import random, socket, struct, sys
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for n in range(int(sys.argv[1])):
    source = struct.pack(">I", 0xc6120000 | random.getrandbits(17))  # 198.18.0.0/15: RFC 2544
    out.sendto(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, source, bytes([10, 9, 0, 1])) +
               struct.pack(">HHIIBBHHH", random.getrandbits(16), random.getrandbits(16), 1, 0, 0x50, 2, 64, 0, 0),
               ("10.9.0.1", 0))
"""


def packets(host, device):
    stats = json.loads(sh(["ip", "-n", host.name, "-s", "-j", "link", "show", device]))[0]["stats64"]
    return stats["rx"]["packets"] + stats["tx"]["packets"]


def counted(daemon, host, size):
    """All that v0 moved, in packets of that size from now on, was read or dropped; gives how many were dropped."""
    status = until(lambda: (now := daemon.status())["PacketsReceived"] + now["PacketsDropped"] >= packets(host, "v0") and now,
                   "all packets read or dropped")
    ledger = daemon.settled()
    assert status["PacketsReceived"] + status["PacketsDropped"] == packets(host, "v0"), status
    assert ledger["seen"] + size * status["PacketsDropped"] == total(host.counters("v0")), (ledger, status)
    assert_balanced(daemon, ledger)
    return status["PacketsDropped"]


def test_syn_flood(build):
    """Connections that are none, each of an address and to a port of its own: all are counted, as nobody's, and what is
    known of them is bounded; of who does have a socket, no byte is lost."""
    with hosts() as (a, b), daemon_on(a, build, "--log-level", "err") as daemon, daemon_with_bpf(build) as bpf, traffic(b) as server, \
            traffic(a) as client:
        server.tell("udp", "s", "0.0.0.0", 7000)
        client.tell("udp", "c", "0.0.0.0", 0)
        client.tell("send", "c", "10.9.0.2", 7000, 20, 12)  # 40 bytes, as all
        before = [anonymous(one) for one in (daemon, bpf)]
        b.sh(f"{sys.executable} - {FLOOD}", input=SYN_FLOOD)
        client.tell("send", "c", "10.9.0.2", 7000, 20, 12)
        dropped = counted(daemon, a, 40)
        assert dropped > 0 or daemon.row(client.pid)["total"]["out"] == 40 * 40
        until(lambda: bpf.row(client.pid)["total"]["out"] == 40 * 40, "all bytes")
        assert_ledger_balances(bpf.ledger())
        grown = [anonymous(one) - then for one, then in zip((daemon, bpf), before)]
        assert sanitized(build) or grown[0] <= min(FLOOD, 65536) * 400 + MB and grown[1] <= 4 * MB, grown
        return f"{FLOOD} packets, {dropped} dropped; grown by {grown[0] // 1024} and {grown[1] // 1024} kB"


def test_one_shots(build):
    """A process a packet, as fast as they can be made."""
    with hosts() as (a, b), daemon_on(a, build, "--log-level", "err") as daemon, daemon_with_bpf(build) as bpf:
        b.sh("nft 'table ip quiet4 { chain in { type filter hook prerouting priority raw; udp dport 9 drop; }; }'")
        before = [anonymous(one) for one in (daemon, bpf)]
        with a.start([f"{build}/tests/tools/flood", "processes", "10.9.0.2", str(FORKS), "0"]) as storm:
            assert storm.wait(DEADLINE) == 0
        counted(daemon, a, 100)
        assert packets(a, "v0") == FORKS
        assert_ledger_balances(bpf.ledger())

        def found(one):
            return sum(row.get("processes", 1) for row in one.rank() if row.get("name") == "flood")

        until(lambda: found(bpf) >= FORKS, lambda: f"{FORKS} processes, but to {found(bpf)}: {bpf.ledger()}")
        grown = [anonymous(one) - then for one, then in zip((daemon, bpf), before)]
        assert sanitized(build) or max(grown) <= 3000 * FORKS + MB, grown
        return f"{FORKS} processes, {found(daemon)} of them found by pcap; grown by {grown[0] // 1024} and {grown[1] // 1024} kB"


def test_suspend(build):
    """The daemon stands still for more packets than there is room for: what was not kept, the kernel says."""
    with hosts() as (a, b), daemon_on(a, build, "--log-level", "err") as daemon:
        a.sh("nft 'table ip quiet4 { chain in { type filter hook prerouting priority raw; ip saddr 198.18.0.0/15 drop; }; }'")
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            with b.start([f"{build}/tests/tools/flood", "random", "10.9.0.1", "150000", "0"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE) as flood:
                assert flood.stdout.readline()
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        dropped = counted(daemon, a, 100)
        assert dropped > 0
        return f"{dropped} of 150000 dropped"


def netlink_drops(daemon):
    """Messages of all its sockets that there was no room for; rtnetlink is protocol 0."""
    own = {os.readlink(path) for path in pathlib.Path(f"/proc/{daemon.process.pid}/fd").iterdir()}
    table = pathlib.Path(f"/proc/{daemon.process.pid}/net/netlink").read_text(encoding="ascii").splitlines()[1:]
    return sum(int(line.split()[8]) for line in table if line.split()[1] == "0" and f"socket:[{line.split()[-1]}]" in own)


def test_changes_not_told(build):
    """More links and addresses come and go while the daemon stands still than the kernel tells of (ENOBUFS); what is
    there in the end is what counts."""
    for options in ([], choice("v*", "d*")):
        with hosts() as (a, b), daemon_on(a, build, *options) as daemon:
            daemon.settled()
            daemon.process.send_signal(signal.SIGSTOP)
            lines = ["addr add 10.9.0.77/24 dev v0"]
            lines += [f"addr add 10.7.{n // 200}.{n % 200 + 1}/32 dev v0" for n in range(400)]
            lines += ["addr del 10.9.0.77/24 dev v0", "addr add 10.9.0.78/24 dev v0",
                      "link add d0 type ifb", "link del d0", "link add d1 up type ifb"]
            a.sh("ip -batch -", input="\n".join(lines) + "\n")
            b.sh("ip neigh replace 10.9.0.78 lladdr 02:00:00:00:00:01 nud permanent dev v0")
            drops = netlink_drops(daemon)
            daemon.process.send_signal(signal.SIGCONT)
            assert drops > 0
            if options:
                until_state(daemon, "d1", "covered")  # an ifb shows what others have
                assert "d0" not in devices(daemon)
            with streamed(b, a, "10.9.0.78"):
                ledger, moved = daemon.settled(), a.counters("v0")
                assert ledger["seen"] == ledger["attributed"] == total(moved), (ledger, moved)
            assert_balanced(daemon, daemon.settled())


main([test_many_connections, test_never_read, test_stuck_bus, test_huge_calls, test_waiting_calls, test_callers_vanish,
      test_bus_lost_in_flight, test_malformed, test_peer_that_never_reads, test_syn_flood, test_one_shots, test_suspend,
      test_changes_not_told])
