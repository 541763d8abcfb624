#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Connections that are over before a drain comes to look at them, without BPF: who opens them is looked for as they
begin. That is a race with them, which a busy machine may lose: what is missed has no owner, and never a wrong one."""

import contextlib
import os
import pathlib
import sys
import tempfile
import time

from harness import DEADLINE, alone, assert_balanced, daemon_on, hosts, main, sanitized, traffic, until

PROCFS = ("--owners", "procfs")
BUSY = ("--log-level", "err")  # not that some flows could not be looked up
THREAD = "netflowd-early"

NGINX = """daemon off; worker_processes 2; pid {0}/pid; error_log stderr; events {{}} user root;
http {{ access_log off; keepalive_timeout 0; client_body_temp_path {0}/a; proxy_temp_path {0}/b;
fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;
server {{ listen 80; listen [::]:80; root {0}; }} }}"""


@contextlib.contextmanager
def nginx(host):
    """Gives the pids of its two workers, which share a listening socket with their master."""
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        os.chmod(directory, 0o755)
        pathlib.Path(directory, "conf").write_text(NGINX.format(directory), encoding="utf-8")
        pathlib.Path(directory, "file").write_bytes(b"x" * 20000)
        pathlib.Path(directory, "small").write_bytes(b"x" * 200)
        with host.start(["nginx", "-c", f"{directory}/conf"]) as master:
            children = pathlib.Path(f"/proc/{master.pid}/task/{master.pid}/children")
            until(lambda: host.sh("ss -Htln sport = 80").strip() and len(children.read_text("ascii").split()) == 2,
                  "a listener and two workers")
            yield list(map(int, children.read_text("ascii").split()))


def moved(host):
    return sum(host.counters("v0").values())


def attributed(daemon, is_its):
    return sum(row["total"]["in"] + row["total"]["out"] for row in daemon.rank() if is_its(row))


def best_rounds(ends, load, enough):
    """Moves the load until there is a round in which each end (a daemon, its host, and which rows are right there) has had more
    than enough of the bytes; in no round has anybody else a byte of it. Gives the best shares there were."""
    best = [0] * len(ends)

    def round_shares():
        counted = [moved(host) for _, host, _ in ends]
        had = [attributed(daemon, is_its) for daemon, _, is_its in ends]
        load()
        for i, (daemon, host, is_its) in enumerate(ends):
            daemon.settled()
            best[i] = max(best[i], (attributed(daemon, is_its) - had[i]) / (moved(host) - counted[i]))
        return all(share > least for share, least in zip(best, enough))

    until(round_shares, lambda: f"a round that was seen: {best}")
    for daemon, host, is_its in ends:
        assert_balanced(daemon, daemon.settled())
        assert attributed(daemon, is_its) == attributed(daemon, lambda row: True) <= moved(host), daemon.rank()
    return best


def test_one_shot(build):
    """A process for each request, over as it began, which the drains never see: soon there is a round in which most of it
    is theirs, and some each worker's on the other side, however busy this machine is; in no round has anybody else a
    byte of it."""
    with hosts() as (a, b), nginx(b) as workers, daemon_on(a, build, *PROCFS) as on_a, \
            daemon_on(b, build, *PROCFS) as on_b:
        ends = ((on_a, a, lambda row: row.get("name") == "curl"), (on_b, b, lambda row: row.get("pid") in workers))

        def fifty_curls():
            for i in range(50):
                a.sh(f"curl -s -o /dev/null http://{('10.9.0.2', '[fd09::2]')[i % 2]}/file")

        best = best_rounds(ends, fifty_curls, (0.5, 0.2))
        for row in on_a.rank():  # each has its own bytes, and is known by its name though it is gone
            assert row["total"]["in"] + row["total"]["out"] < 25000, row
        return "best rounds: client {:.1f} %, server {:.1f} %".format(*(100 * share for share in best))


@alone
def test_flat_out(build):
    """A connection for each request, as many as two processors can do: soon there is a round in which most of it is the
    client's, and on the other side the two workers'; in no round has anybody else a byte of it."""
    with hosts() as (a, b), nginx(b) as workers, daemon_on(a, build, *PROCFS, *BUSY) as on_a, \
            daemon_on(b, build, *PROCFS, *BUSY) as on_b:
        ends = ((on_a, a, lambda row: row.get("name") == "wrk"), (on_b, b, lambda row: row.get("pid") in workers))
        least = 0.02 if sanitized(build) else 0.4
        best = best_rounds(ends, lambda: a.sh("wrk -t1 -c20 -d1s -H 'Connection: close' http://10.9.0.2/small"),
                           (least, least))
        return "best rounds: client {:.1f} %, server {:.1f} %".format(*(100 * share for share in best))


QUERY = """import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.9.0.2", 7000)); s.send(b"x" * 100); s.recv(100)"""


def test_one_shot_udp(build):
    """A process for each question, which ends with the answer: soon there is a round in which most of it is theirs."""
    with hosts() as (a, b), daemon_on(a, build, *PROCFS) as on_a, traffic(b) as server:
        server.tell("udp", "s", "0.0.0.0", 7000)

        def is_its(row):
            return row.get("name", "").startswith("python3") and row["total"]["out"] == 128

        def twenty_questions():
            for _ in range(20):
                with a.start([sys.executable, "-S", "-c", QUERY]) as client:
                    server.tell("answer", "s", 1)
                    assert client.wait(DEADLINE) == 0

        best = best_rounds(((on_a, a, is_its),), twenty_questions, (0.5,))
        return f"best round: {100 * best[0]:.1f} %"


def test_contest(build):
    """The same tuple, used by one process after the other as fast as they can: neither has more than it moved."""
    with hosts() as (a, b), daemon_on(a, build, *PROCFS) as on_a, traffic(b) as server, traffic(a) as one, \
            traffic(a) as two:
        server.tell("listen", "l", "0.0.0.0", 8000)
        truth = {one.pid: 0, two.pid: 0}
        for turn in range(100):
            client, size = ((one, 30000), (two, 1000))[turn % 2]
            before = moved(a)
            client.tell("connect", "c", "10.9.0.2", 8000, 5000)
            server.tell("accept", "s", "l")
            client.tell("write", "c", size)
            server.tell("read", "s", size)
            client.tell("reset", "c")
            server.tell("read", "s", 1)  # until the reset is there
            server.tell("close", "s")
            truth[client.pid] += moved(a) - before
        ledger = on_a.settled()
        notes = []
        for pid, most in truth.items():
            got = attributed(on_a, lambda row, pid=pid: row.get("pid") == pid)
            assert got <= most, (pid, got, truth)
            notes.append(f"{100 * got / most:.0f} %")
        assert_balanced(on_a, ledger)
        return "attributed: " + ", ".join(notes)


def early_thread(daemon):
    """The directory of the thread in /proc."""
    return next(path for path in pathlib.Path(f"/proc/{daemon.process.pid}/task").iterdir()
                if path.joinpath("comm").read_text("ascii").strip() == THREAD)


def wakeups(daemon):
    text = early_thread(daemon).joinpath("status").read_text("ascii")
    return int(text.split("\nvoluntary_ctxt_switches:")[1].split()[0])


def ticks(daemon):
    fields = early_thread(daemon).joinpath("stat").read_text("ascii").rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


SYNS = """
import os, socket, struct, sys, time
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
source, destination, port, count = sys.argv[1], socket.inet_aton(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for i in range(count):
    at = socket.inet_aton(source) if source != "any" else bytes([198, 18]) + os.urandom(2)
    tcp = struct.pack("!HHIIBBHHH", 1024 + i % 60000, port, i, 0, 0x50, 2, 512, 0, 0)
    tcp = tcp[:16] + struct.pack("!H", checksum(at + destination + struct.pack("!HH", 6, 20) + tcp)) + tcp[18:]
    raw.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, at, destination) + tcp, (sys.argv[2], 0))
"""


def send_syns(host, source, destination, port, count):
    with host.start([sys.executable, "-c", SYNS, source, destination, str(port), str(count)]) as sender:
        assert sender.wait(60) == 0


def test_wakes_for_connections_only(build):
    """Nothing that a connection moves wakes the thread, no SYN from outside that is answered by none, and no datagram of a
    port that sends many."""
    with hosts() as (a, b), daemon_on(a, build, *PROCFS) as on_a, traffic(a) as client, traffic(b) as server:
        server.tell("listen", "l", "0.0.0.0", 8000)
        server.tell("udp", "u", "0.0.0.0", 7000)
        client.tell("connect", "c", "10.9.0.2", 8000)
        server.tell("accept", "s", "l")
        on_a.settled()
        before = wakeups(on_a)
        assert before > 0
        client.tell("write", "c", 3000000)
        server.tell("read", "s", 3000000)
        client.tell("udp", "d", "0.0.0.0", 0)
        client.tell("send", "d", "10.9.0.2", 7000, 1000, 100)
        send_syns(b, "any", "10.9.0.1", 9, 3000)
        assert on_a.settled()["seen"] > 3000000
        assert wakeups(on_a) - before < 100  # of a thousand datagrams, as many as tell that there are more of them
        before = wakeups(on_a)
        client.tell("send", "d", "10.9.0.2", 7000, 1000, 100)
        client.tell("write", "c", 3000000)
        server.tell("read", "s", 3000000)
        assert on_a.settled()["seen"] > 6000000
        assert wakeups(on_a) == before
        client.tell("connect", "e", "10.9.0.2", 8000)
        until(lambda: wakeups(on_a) > before, "being woken by a SYN")


def test_flood_is_bounded(build):
    """SYNs that do wake it, sent by this host as fast as it can without a socket, and answered by a listener of its own:
    they get the share of a processor that there is for them, and the next connection is looked at again."""
    with hosts() as (a, b), daemon_on(a, build, *PROCFS) as on_a, traffic(a) as client, traffic(b) as server:
        client.tell("listen", "l", "0.0.0.0", 8000)
        server.tell("listen", "m", "0.0.0.0", 8001)
        on_a.settled()
        before, begin = ticks(on_a), time.monotonic()
        send_syns(a, "10.9.0.1", "10.9.0.2", 9, 20000)
        send_syns(b, "10.9.0.2", "10.9.0.1", 8000, 20000)
        on_a.settled()
        used, passed = (ticks(on_a) - before) / os.sysconf("SC_CLK_TCK"), time.monotonic() - begin
        assert used < passed / 3 + 0.1, (used, passed)  # with what it may have saved up, and ticks cut off

        def is_looked_at():
            client.tell("connect", "c", "10.9.0.2", 8001)
            server.tell("accept", "s", "m")
            client.tell("reset", "c")
            server.tell("close", "s")
            on_a.settled()
            return on_a.row(client.pid)

        until(is_looked_at, "a connection that is over at once and known")
        assert_balanced(on_a, on_a.settled())
        on_a.process.terminate()
        on_a.process.communicate(timeout=DEADLINE)  # it says how many flows it could not look up
        assert on_a.process.returncode == 0
        return f"{used:.2f} s of {passed:.1f}"


main([test_one_shot, test_flat_out, test_one_shot_udp, test_contest, test_wakes_for_connections_only, test_flood_is_bounded])
