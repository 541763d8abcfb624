#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Packets that are counted, and owners by what the kernel tells of sockets: what is over before anybody could look is
its process's all the same, a tuple that goes from hand to hand is each one's, and never a byte is a wrong one's."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile

from harness import alone, assert_balanced, cgroup, hosts, main, paired, running, sh, traffic, until
from web_server import nginx
from wire import WAYS, moved, talk, totals

V4, V6 = ("10.9.0.1", "10.9.0.2"), ("fd09::1", "fd09::2")
ONLY = "-all,+bpf,+perfmon,+net_admin,+net_raw,+sys_ptrace,+dac_read_search"
UNPRIVILEGED = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps", ONLY,
                "--ambient-caps", ONLY, "--bounding-set", ONLY)


@contextlib.contextmanager
def daemon_on(host, build, *options, owners="bpf", before=()):
    """A netflowd of that host. It sees the cgroups of this machine, which `ip netns exec` would hide."""
    command = ["nsenter", f"--net=/run/netns/{host.name}", *before, f"{build}/netflowd", "--config", "/dev/null",
               "--backend", "pcap", "--owners", owners, *options]
    with running(build, command) as daemon:
        assert daemon.process.poll() is None, daemon.process.stderr.read()
        yield daemon


def assert_shares(daemon, expected, least=0.999):
    """Each process, or several together, has nearly all of what it moved and never more: {pids: {"in": …, "out": …}}.
    The books are in balance. Returns the shares."""
    ledger, notes = daemon.settled(), []
    for pids, truth in expected.items():
        got = totals(daemon, pids if isinstance(pids, tuple) else (pids,))
        assert all(got[way] <= truth[way] for way in WAYS), (pids, got, truth)
        share = sum(got.values()) / max(sum(truth.values()), 1)
        assert share >= least or truth == got, (pids, got, truth, ledger)
        notes.append(f"{100 * share:.3f} %")
    assert_balanced(daemon, ledger)
    return ", ".join(notes)


# --- what is over before it could be looked at -------------------------------------------------------------------

COUNT = int(os.environ.get("NETFLOWD_TEST_COUNT", "200"))


def test_one_shot_curl(build):
    """A process for each request, on both sides of the wire, with its name though it is gone."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, daemon_on(b, build) as on_b, \
            nginx(b, 20000) as (master, *workers):
        a.sh(f"seq {COUNT // 2} | xargs -P 4 -n 1 sh -c 'exec curl -s -o /dev/null http://10.9.0.2/file'; "
             f"seq {COUNT // 2} | xargs -P 4 -n 1 sh -c 'exec curl -gs -o /dev/null http://[fd09::2]/file'")
        ledger = on_a.settled()

        def exited():
            found = [row for row in on_a.rank() if row.get("name") == "curl"]
            return found if all(row["state"] == "exited" for row in found) else None

        rows = until(exited, "the last exit in the rank")
        assert len(rows) == COUNT, (len(rows), ledger)
        assert all(row["uid"] == 0 for row in rows), rows
        assert all(20000 < row["total"]["in"] < 23000 for row in rows), rows
        return "client {}, server {}".format(
            assert_shares(on_a, {tuple(row["pid"] for row in rows): moved(a)}),
            assert_shares(on_b, {tuple(workers): moved(b), master: {"in": 0, "out": 0}}))


@paired
def test_connections(build):
    """One process on either side, a thousand connections a second, read by one thread and by two."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, daemon_on(b, build, "--workers", "2") as on_b, \
            traffic(a) as client, traffic(b) as server:
        server.tell("listen", "l", "::", 8000)
        server.begin("serve", "l", 5 * COUNT)
        rate = client.tell("cycle", V4[1], 8000, 5 * COUNT, 1000)
        server.answer()
        return (f"{rate} connections a second: " + assert_shares(on_a, {client.pid: moved(a)}) + ", " +
                assert_shares(on_b, {server.pid: moved(b)}))


def test_one_shot_udp(build):
    """A process for each question, of one datagram, and an answer: over before /proc could be asked, and its cgroup
    with it, whose name is known all the same."""
    count = 5 * COUNT // 2
    with hosts() as (a, b), daemon_on(a, build) as on_a, daemon_on(b, build) as on_b, traffic(b) as server:
        server.tell("udp", "s", "::", 7000)
        server.begin("answer", "s", count)
        with cgroup(f"netflowd{os.getpid()}.slice", "question.service") as (directory, path), \
                a.start(["bash", "-c", f"read; for ((i = 0; i < {count}; i++)); do (exec 3<>/dev/udp/10.9.0.2/7000; "
                                       "printf question >&3; head -c 8 <&3 >/dev/null); done"],
                        stdin=subprocess.PIPE) as shell:
            directory.joinpath("cgroup.procs").write_text(str(shell.pid), encoding="ascii")
            shell.communicate("\n", timeout=60)
            assert shell.returncode == 0
        server.answer()
        on_a.settled()
        rows = [row for row in on_a.rank() if row.get("name") == "bash"]
        assert moved(a) == {"in": 36 * count, "out": 36 * count}, moved(a)
        assert {(row.get("cgroup"), row.get("unit"), row.get("uid")) for row in rows} == {(path, "question.service", 0)}
        assert len(rows) >= 0.999 * count, len(rows)
        assert all(sum(row["total"][way] for way in WAYS) <= 72 for row in rows), rows
        return (assert_shares(on_a, {tuple(row["pid"] for row in rows): moved(a)}) + ", " +
                assert_shares(on_b, {server.pid: moved(b)}))


@alone
def test_wrk(build):
    """As fast as it goes, a connection for each request: each worker has what it served, and their master nothing."""
    with hosts() as (a, b), daemon_on(a, build, "--queue-size", "200000") as on_a, \
            daemon_on(b, build, "--queue-size", "200000") as on_b, nginx(b, 200) as (master, *workers):
        with a.start(["wrk", "-t1", "-c20", "-d2s", "-H", "Connection: close", "http://10.9.0.2:80/file"],
                     stdout=subprocess.PIPE) as client:
            output = client.communicate()[0]
            assert client.returncode == 0
        dropped = [daemon.status()["PacketsDropped"] for daemon in (on_a, on_b)]
        shares = [assert_shares(on_a, {client.pid: moved(a)}),
                  assert_shares(on_b, {tuple(workers): moved(b), master: {"in": 0, "out": 0}})]
        rows = {pid: totals(on_b, (pid,)) for pid in workers}
        assert all(sum(row.values()) > 0 for row in rows.values()), rows
        return (next(line for line in output.splitlines() if "Requests/sec" in line) +
                f"; client {shares[0]}, workers {shares[1]}, dropped {dropped}")


# --- what goes from hand to hand ---------------------------------------------------------------------------------

def test_tuple_contest(build):
    """The same 5-tuple, used by one process after the other at once: each has its connections, to the byte."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, daemon_on(b, build) as on_b, traffic(b) as server, \
            traffic(a) as one, traffic(a) as two:
        server.tell("listen", "l", "0.0.0.0", 8000)
        truth = {one.pid: {"in": 0, "out": 0}, two.pid: {"in": 0, "out": 0}}
        for turn in range(40):
            client, size = ((one, 60000), (two, 1000))[turn % 2]
            before = moved(a)
            client.tell("connect", "c", V4[1], 8000, 5000)
            server.tell("accept", "s", "l")
            client.tell("write", "c", size)
            server.tell("read", "s", size)
            client.tell("reset", "c")
            server.tell("read", "s", 1)  # until the reset is there
            server.tell("close", "s")
            for way, count in moved(a, before).items():
                truth[client.pid][way] += count
        return assert_shares(on_a, truth, 1) + "; " + assert_shares(on_b, {server.pid: moved(b)}, 1)


def test_port_contest(build):
    """A UDP port that goes from hand to hand, with datagrams to where it is closed in between: those are nobody's."""
    with hosts() as (a, b), daemon_on(a, build) as on_a, traffic(b) as server, traffic(a) as one, traffic(a) as two:
        server.tell("udp", "s", "0.0.0.0", 7000)
        server.tell("udp", "t", "0.0.0.0", 7001)
        truth = {client.pid: {"in": 0, "out": 0} for client in (one, two)}
        for turn in range(40):
            client, count = ((one, 20), (two, 1))[turn % 2]
            client.tell("udp", "c", "0.0.0.0", 5000)
            client.tell("send", "c", V4[1], 7000, count, 1000)
            server.tell("answer", "s", count)
            client.tell("read", "c", count * 1000)
            client.tell("close", "c")
            server.tell("send", "t", V4[0], 5000, 1, 100)  # to a port that is closed
            truth[client.pid] = {way: truth[client.pid][way] + count * 1028 for way in WAYS}
        note, ledger = assert_shares(on_a, truth, 1), on_a.ledger()
        assert ledger["unattributed-no-socket"] + ledger["unattributed-shared"] == 40 * 128, ledger
        return note


def test_preforked(build):
    """The listening socket is inherited and the worker accepts; or the master does, and passes the connection on with
    data in it: who listens has nothing, who serves has it all, although nobody uses it for longer than a drain."""
    with hosts() as (a, b), daemon_on(b, build) as on_b, traffic(a) as client, traffic(b) as master, \
            traffic(b) as worker:
        master.tell("listen", "l", "::", 8000)
        worker.tell("adopt", "l", master.pid, master.tell("fd", "l"))
        client.tell("connect", "c", V4[1], 8000)
        on_b.ledger()
        worker.tell("accept", "s", "l")
        talk(client, worker, "s", 30000)
        client.tell("close", "c")
        worker.tell("read", "s", 1)
        worker.tell("close", "s")
        client.tell("connect", "c", V6[1], 8000)
        client.tell("write", "c", 5000)
        master.tell("accept", "m", "l")
        until(lambda: on_b.ledger()["unattributed-pending"] > 5000, "what is pending")
        worker.tell("adopt", "s", master.pid, master.tell("fd", "m"))
        master.tell("close", "m")
        worker.tell("read", "s", 5000)
        talk(client, worker, "s", 30000)
        return assert_shares(on_b, {worker.pid: moved(b), master.pid: {"in": 0, "out": 0}}, 1)


def test_passed_on(build):
    """A connection in use changes hands: up to there it was the one's, from there on it is the other's."""
    with hosts() as (a, b), daemon_on(b, build) as on_b, traffic(a) as client, traffic(b) as one, traffic(b) as two:
        one.tell("listen", "l", "::", 8000)
        client.tell("connect", "c", V4[1], 8000)
        one.tell("accept", "s", "l")
        talk(client, one, "s", 20000)
        ones = moved(b)
        two.tell("adopt", "s", one.pid, one.tell("fd", "s"))
        two.tell("write", "s", 100)
        client.tell("read", "c", 100)
        talk(client, two, "s", 40000)
        return assert_shares(on_b, {one.pid: ones, two.pid: moved(b, ones)}, 0.99)


def test_old_sockets(build):
    """All that was there before: a connection, one that was not accepted yet, sockets for datagrams; and what is
    inherited by several is nobody's until one of them uses it."""
    with hosts() as (a, b), traffic(a) as client, traffic(b) as server, traffic(b) as other:
        server.tell("listen", "l", "::", 8000)
        client.tell("connect", "c", V4[1], 8000)
        server.tell("accept", "s", "l")
        talk(client, server, "s", 1000)
        other.tell("adopt", "s", server.pid, server.tell("fd", "s"))
        client.tell("connect", "d", V6[1], 8000)  # stays in the queue
        other.tell("udp", "u", "::", 7000)
        client.tell("udp", "e", "0.0.0.0", 0)
        with daemon_on(a, build) as on_a, daemon_on(b, build) as on_b:
            before = moved(a), moved(b)
            talk(client, server, "s", 50000)
            server.tell("accept", "t", "l")
            client.tell("write", "d", 70000)
            server.tell("read", "t", 70000)
            tcp = moved(b, before[1])
            client.tell("send", "e", V4[1], 7000, 10, 500)
            other.tell("read", "u", 5000)
            return (assert_shares(on_a, {client.pid: moved(a, before[0])}) + "; " +
                    assert_shares(on_b, {server.pid: tcp, other.pid: {"in": 5280, "out": 0}}))


def test_activated(build):
    """A manager of services makes and binds the socket, another process serves, also what came before it was there; and
    one that only receives, by a way that is not told of, is found without."""
    with hosts() as (a, b), daemon_on(b, build) as on_b, traffic(a) as client, traffic(b) as manager, \
            traffic(b) as service, traffic(b) as receiver:
        manager.tell("udp", "u", "::", 7000)
        client.tell("udp", "c", "0.0.0.0", 0)
        client.tell("send", "c", V4[1], 7000, 3, 100)
        until(lambda: on_b.ledger()["unattributed-pending"] == 3 * 128, "what is pending")
        service.tell("adopt", "u", manager.pid, manager.tell("fd", "u"))
        service.tell("answer", "u", 3)
        both = moved(b)
        receiver.tell("udp", "r", "0.0.0.0", 7001)
        client.tell("send", "c", V4[1], 7001, 20, 500)
        receiver.tell("read", "r", 10000)
        return assert_shares(on_b, {service.pid: both, manager.pid: {"in": 0, "out": 0},
                                    receiver.pid: moved(b, both)}, 1)


def test_loopback(build):
    """Out of the one, in to the other, though both are gone at once."""
    with hosts(1) as (a,), daemon_on(a, build) as on_a, traffic(a) as client, traffic(a) as server:
        server.tell("listen", "l", "::", 8000)
        server.begin("serve", "l", 200)
        client.tell("cycle", "127.0.0.1", 8000, 200, 1000)
        server.answer()
        ledger, lo = on_a.settled(), a.counters("lo")
        sent, received = totals(on_a, (client.pid,)), totals(on_a, (server.pid,))
        assert (sent["out"], sent["in"]) == (received["in"], received["out"]), (sent, received, ledger)
        assert sent["in"] + sent["out"] == lo["in"] == ledger["attributed"] // 2, (sent, lo, ledger)


# --- beside all else that packets are good for -------------------------------------------------------------------

def test_chosen(build):
    """With a filter and a device, packets of one-shot processes have their owners, and are recorded, too."""
    with hosts() as (a, b), tempfile.TemporaryDirectory(prefix="netflowd-") as directory, nginx(b, 2000), \
            traffic(a) as other, \
            daemon_on(a, build, "--device", "v0", "--filter", "tcp port 80",
                      "--store-pcap", f"{directory}/pcap") as on_a:
        a.sh("for i in 1 2 3 4 5 6 7 8 9 10; do curl -s -o /dev/null http://10.9.0.2/file; done")
        counted = sum(moved(a).values())
        other.tell("udp", "u", "0.0.0.0", 0)
        other.tell("send", "u", V4[1], 80, 5, 100)
        ledger = on_a.settled()
        rows = [row for row in on_a.rank() if row.get("name") == "curl"]
        assert ledger["seen"] == ledger["attributed"] == counted < sum(moved(a).values()), ledger
        assert len(rows) == 10, rows
        assert int(sh(f"tcpdump -nr {directory}/pcap 2>/dev/null | wc -l")) == on_a.status()["PacketsReceived"]


def test_overflow(build):
    """More is told of than there is room for while nobody reads: counted and said, looked up as without it, and after
    that told as before. None of it goes to a wrong process."""
    flood = ("import socket\nfor i in range(40000):\n s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
             " s.bind(('127.0.0.1', 0))\n s.close()")
    with hosts() as (a, b), daemon_on(a, build, "--log-level", "warning") as on_a, traffic(b) as server, \
            traffic(a) as client, traffic(a) as stays:
        server.tell("listen", "l", "::", 8000)
        stays.tell("connect", "c", V4[1], 8000)
        server.tell("accept", "s", "l")
        talk(stays, server, "s", 10000)
        own = moved(a)
        on_a.settled()
        os.kill(on_a.process.pid, signal.SIGSTOP)
        try:
            a.sh(f'{sys.executable} -c "{flood}"')
            server.begin("serve", "l", 100)
            client.tell("cycle", V4[1], 8000, 100, 1000)
            server.answer()
            lost = moved(a, own)
        finally:
            os.kill(on_a.process.pid, signal.SIGCONT)
        before = on_a.settled()
        got = totals(on_a, (client.pid,))
        assert all(got[way] <= lost[way] for way in WAYS), (got, lost)
        assert before["seen"] == sum(moved(a).values()), before
        assert_balanced(on_a, before)
        counted = moved(a)
        server.begin("serve", "l", 100)
        client.tell("cycle", V4[1], 8000, 100, 1000)
        server.answer()
        talk(stays, server, "s", 10000)
        ledger = on_a.settled()
        assert ledger["attributed"] - before["attributed"] == sum(moved(a, counted).values()), (before, ledger)
        on_a.process.send_signal(signal.SIGTERM)
        said = on_a.process.communicate(timeout=60)[1]
        assert on_a.process.returncode == 0 and "no room to tell" in said, said
        return f"while nobody read: {100 * sum(got.values()) / sum(lost.values()):.1f} %"


# --- how it is chosen --------------------------------------------------------------------------------------------

def test_choice(build):
    """The best there is, and why; refused where it is asked for and cannot be."""
    with hosts(1) as (a,):
        with daemon_on(a, build, owners="auto") as daemon:
            status = daemon.status()
            assert (status["Owners"], status["OwnersReason"]) == ("bpf", ""), status
            assert "Owners: bpf\n" in daemon.ctl("status").stdout
        with daemon_on(a, build, owners="procfs") as daemon:
            status = daemon.status()
            assert (status["Owners"], status["OwnersReason"]) == ("procfs", ""), status
        with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:  # as the unit has it, and where it may look
            os.chmod(directory, 0o755)
            shutil.copy(f"{build}/netflowd", directory)
            with daemon_on(a, directory, before=UNPRIVILEGED) as daemon:
                daemon.build = build
                assert daemon.status()["Owners"] == "bpf", daemon.status()
        without = ["setpriv", "--inh-caps", "-bpf,-sys_admin", "--bounding-set", "-bpf,-sys_admin", f"{build}/netflowd",
                   "--config", "/dev/null", "--backend", "pcap"]
        refused = subprocess.run(a.command([*without, "--owners", "bpf"]), check=False, text=True,
                                 stderr=subprocess.PIPE)
        assert refused.returncode not in (0, 2) and "bpf: CAP_BPF is missing" in refused.stderr, refused
        with running(build, a.command(without)) as daemon:
            status = daemon.status()
            assert (status["Owners"], status["OwnersReason"]) == ("procfs", "bpf: CAP_BPF is missing"), status


main([test_one_shot_curl, test_connections, test_one_shot_udp, test_wrk, test_tuple_contest, test_port_contest,
      test_preforked, test_passed_on, test_old_sockets, test_activated, test_loopback, test_chosen, test_overflow,
      test_choice])
