#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The two programs by hand: savefiles, bad input, stand-alone mode."""

import contextlib
import csv
import fcntl
import io
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time

from harness import TRAFFIC, Traffic, busy, daemon_on, has_owner, hosts, main, private_bus, read_until, traffic, until

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"


def run(*words, **options):
    return subprocess.run([str(word) for word in words], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=False, timeout=60, **options)


def test_read(build):
    """A savefile: the rank as JSON, by the packets' own clock, all of its bytes in it."""
    result = run(f"{build}/netflowd", "--read", GOLDEN / "linux_sll2.pcap")
    assert result.returncode == 0 and not result.stderr, result
    rows = json.loads(result.stdout)
    sizes = [int(line.split(": ", 1)[1].split()[1 if "not-ip" in line else 6])
             for line in (GOLDEN / "expected").read_text(encoding="utf-8").splitlines()
             if line.startswith("linux_sll2.pcap")]
    assert sum(row["total"]["in"] + row["total"]["out"] for row in rows) == sum(sizes), (rows, sizes)
    assert {row["name"] for row in rows} == {"unattributed-no-lookup", "unattributed-not-ip",
                                             "unattributed-forwarded"}, rows
    ring = [bucket["timestamp"] for row in rows for bucket in row["ring"]]
    assert sorted(ring) == list(range(1700000000, 1700000000 + len(sizes))), ring


def test_read_bad(build):
    """What is not a savefile, or breaks off: one line that says so, and what was read before it still counts."""
    good = (GOLDEN / "raw.pcap").read_bytes()
    with tempfile.TemporaryDirectory() as directory:
        for name, content, status, words, rows in (
                ("empty", b"", 65, "not a savefile", None), ("text", b"hello, this is no savefile at all", 65,
                                                             "not a savefile", None),
                ("header", good[:20], 65, "not a savefile", None), ("cut", good[:200], 65, "after 2 packets", 1)):
            path = pathlib.Path(directory, name)
            path.write_bytes(content)
            result = run(f"{build}/netflowd", "--read", path)
            assert result.returncode == status and words in result.stderr, (name, result)
            assert result.stderr.count("\n") == 1, result
            assert (len(json.loads(result.stdout)) if rows else result.stdout) == (rows or ""), (name, result)
        for path in (directory, f"{directory}/missing"):
            result = run(f"{build}/netflowd", "--read", path)
            assert result.returncode in (65, 66) and path in result.stderr and not result.stdout, result
        with open("/dev/full", "w", encoding="ascii") as full:
            result = subprocess.run([f"{build}/netflowd", "--read", str(GOLDEN / "raw.pcap")], stdout=full, text=True,
                                    stderr=subprocess.PIPE, check=False)
        assert result.returncode != 0 and "cannot print" in result.stderr, result


def test_not_root(build):
    """Each says which capability is missing, in one line."""
    nobody = ["setpriv", "--reuid=65534", "--clear-groups"]
    with tempfile.TemporaryDirectory() as directory:  # where everyone may look: a build folder may be root's own
        os.chmod(directory, 0o755)
        for program in ("netflowd", "netflowctl"):
            shutil.copy(f"{build}/{program}", directory)
        result = run(*nobody, f"{directory}/netflowd")
        assert result.returncode == 77 and "CAP_NET_RAW" in result.stderr and result.stderr.count("\n") == 1, result
        result = run(*nobody, f"{directory}/netflowctl", "--standalone")
        assert result.returncode == 1 and "CAP_NET_RAW" in result.stderr and result.stderr.count("\n") == 1, result


def test_usage(build):
    for program, words in (("netflowd", ["--nonsense"]), ("netflowd", ["extra"]), ("netflowd", ["--bus-fd", "x"]),
                           ("netflowctl", ["--nonsense"]), ("netflowctl", ["nonsense"]), ("netflowctl", ["show"]),
                           ("netflowctl", ["--recent", "301"])):
        result = run(f"{build}/{program}", *words)
        assert result.returncode == 2 and result.stderr and not result.stdout, (program, words, result)
    for program in ("netflowd", "netflowctl"):
        assert program in run(f"{build}/{program}", "--help").stdout
        assert run(f"{build}/{program}", "--version").stdout.startswith(program)


def test_no_daemon(build):
    """No daemon, no bus: one line that says what to do."""
    with private_bus() as bus:
        result = run(f"{build}/netflowctl", env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address})
        assert result.returncode == 1 and "systemctl start netflowd" in result.stderr, result
        assert result.stderr.count("\n") == 1, result
        with subprocess.Popen([f"{build}/netflowctl", "monitor", "--format", "waybar"], text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE,
                              env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address}) as bar:  # a bar waits
            assert json.loads(bar.stdout.readline())["class"] == "disconnected"
            bar.terminate()
            assert "systemctl start netflowd" in bar.communicate(timeout=60)[1] and bar.returncode == -signal.SIGTERM
    result = run(f"{build}/netflowctl", env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
    assert result.returncode == 1 and "--standalone" in result.stderr and result.stderr.count("\n") == 1, result
    result = run(f"{build}/netflowd", env={**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nonexistent"})
    assert result.returncode == 69 and "cannot serve on the bus" in result.stderr, result


def test_second_daemon(build):
    with hosts(1) as (a,), daemon_on(a, build) as first:
        result = run(f"{build}/netflowd", env=first.environment)
        assert result.returncode == 69 and "another netflowd" in result.stderr, result
        assert has_owner(first)


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def test_standalone(build):
    """No bus, nothing set up: every verb, and nothing is left running."""
    with hosts(1) as (a,), traffic(a) as client, traffic(a) as server:
        server.tell("udp", "s", "127.0.0.1", 7000)
        client.tell("udp", "c", "127.0.0.1", 0)
        for words in (["rank", "--json"], ["status", "--json"], ["show", str(client.pid), "--json"], ["rank"]):
            with a.start([f"{build}/netflowctl", "--standalone", "--recent", "2", *words],
                         stdout=subprocess.PIPE) as process:
                child = until(lambda process=process: children_of(process.pid), "a daemon")[0]
                while process.poll() is None:
                    client.tell("send", "c", "127.0.0.1", 7000, 1, 1000)
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(0.1)
                output = process.stdout.read()
                assert process.returncode == 0, (words, output)
                assert not os.path.exists(f"/proc/{child}"), "netflowd is left"
            if "--json" not in words:
                assert "SUM OUT" in output and f"{client.pid}  " in output, output
            elif words[0] == "rank":
                row = {row["pid"]: row for row in json.loads(output)}[client.pid]
                assert row["traffic_stats"]["out"] > 1028 and row["traffic_stats"]["out"] % 1028 == 0, row
                assert len(row["ring"]) <= 2, row
            elif words[0] == "show":
                assert json.loads(output)["pid"] == client.pid
            else:
                status = json.loads(output)
                assert status["Capturing"] and status["Backend"] == ("bpf" if not status["BackendReason"] else "pcap"), status


def test_standalone_killed(build):
    """netflowctl is killed: its netflowd goes with it."""
    with hosts(1) as (a,):
        with a.start([f"{build}/netflowctl", "--standalone", "monitor"]) as process:
            child = until(lambda: children_of(process.pid), "a daemon")[0]
            process.kill()
            until(lambda: not os.path.exists(f"/proc/{child}"), "the end of netflowd")


@contextlib.contextmanager
def client_of(daemon, *words, **options):
    """A netflowctl that goes on, ended by its pid at the latest on the way out."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": daemon.environment, **options}
    with subprocess.Popen([f"{daemon.build}/netflowctl", *words], **options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_monitor_and_watch(build):
    """A line a signal, and a line an answer. When netflowd goes away --watch tells and stops; the monitor tells and
    goes on with the next one, and so does what is for a bar, which shows when nothing moves any more."""
    with hosts(1) as (a,), daemon_on(a, build) as daemon, traffic(a) as client, \
            client_of(daemon, "monitor", "--json") as monitor, client_of(daemon, "monitor") as people, \
            client_of(daemon, "monitor", "--format", "waybar") as bar, \
            client_of(daemon, "monitor", "--format", "i3blocks") as blocks, \
            client_of(daemon, "--watch", "1", "--json") as watch:
        assert json.loads(bar.stdout.readline())["class"] == "idle"
        client.tell("udp", "c", "127.0.0.1", 0)
        client.tell("send", "c", "127.0.0.1", 7000, 5, 1000)
        for process in (monitor, watch):
            assert json.loads(process.stdout.readline()) is not None
        assert " kB/s" in read_until(blocks.stdout, "kB")
        read_until(bar.stdout, '"tooltip":"python3[^"]* kB/s","class":"active"')
        read_until(bar.stdout, "idle")
        daemon.ctl("stop")
        read_until(people.stdout, r"^\d\d:\d\d:\d\d CaptureStopped \(requested\)$")
        daemon.stop()  # its bus stays
        output = watch.communicate(timeout=60)
        assert watch.returncode == 1 and "netflowd" in output[1], output
        read_until(bar.stdout, "disconnected")
        for process in (monitor, people):
            assert "went away" in process.stderr.readline()
        with a.start([f"{build}/netflowd", "--config", "/dev/null", "--backend", "pcap"], env=daemon.environment):
            for process in (monitor, people):
                assert "is back" in process.stderr.readline()
            client.tell("send", "c", "127.0.0.1", 7000, 5, 1000)
            read_until(monitor.stdout, "RankChanged.*python3")
            read_until(people.stdout, f"began +{client.pid} python3")
            read_until(bar.stdout, "active")


def test_output_errors(build):
    """Nobody reads: a quiet end, by SIGPIPE unless that is ignored, also of what would have nothing to say for long.
    No room: one line."""
    with hosts(1) as (a,), daemon_on(a, build) as daemon:
        reader, pipe = os.pipe()
        os.close(reader)
        for words in (["rank"], ["status", "--json"], ["rank", "--csv"], ["--help"], ["--watch"], ["monitor"]):
            with client_of(daemon, *words, stdout=pipe) as process:
                assert process.wait(60) == -signal.SIGPIPE and not process.stderr.read(), words
        os.close(pipe)
        with client_of(daemon, "--watch", "1000", "--json") as process:
            assert json.loads(process.stdout.readline()) == []
            process.stdout.close()
            assert process.wait(60) == -signal.SIGPIPE and not process.stderr.read()
        result = run("sh", "-c", f"trap '' PIPE; {build}/netflowctl --help | true", env=daemon.environment)
        assert not result.stderr, result
        with open("/dev/full", "w", encoding="ascii") as full:
            for words in (["rank"], ["status"], ["rank", "--csv"], ["--help"], ["--version"], ["--watch"],
                          ["monitor", "--format", "i3blocks"]):
                with client_of(daemon, *words, stdout=full) as process:
                    error = process.communicate(timeout=60)[1]
                assert process.returncode == 1, (words, error)
                assert "cannot write: No space left" in error and error.count("\n") == 1, (words, error)


def test_csv(build):
    """Columns named as in JSON, its numbers, and whatever a process may call itself."""
    name = 'a,"b"\n\x1b'
    with hosts(1) as (a,), daemon_on(a, build) as daemon, tempfile.TemporaryDirectory() as directory:
        os.symlink("/usr/bin/python3", f"{directory}/{name}")
        with a.start([f"{directory}/{name}", str(TRAFFIC)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            client = Traffic(process)
            client.tell("udp", "c", "127.0.0.1", 0)
            client.tell("send", "c", "127.0.0.1", 7000, 5, 1000)
            daemon.in_windows()

            def table(*words):
                return list(csv.DictReader(io.StringIO(daemon.ctl(*words, "--csv").stdout, newline="")))

            row, known = table("rank", "--recent", "300")[0], daemon.row(client.pid)
            assert (row["pid"], row["name"]) == (str(client.pid), name), row
            for column in set(row) - {"state", "traffic_stats.input_ewma", "traffic_stats.output_ewma"}:
                at = known
                for key in column.split("."):
                    at = at.get(key, "") if at else ""
                assert row[column] == str(at), (column, row, known)
            assert {key: row[key] for key in ("total.out", "traffic_stats.out", "total.packets_out")} == {
                "total.out": "5140", "traffic_stats.out": "5140", "total.packets_out": "5"}, row
            assert sum(int(second["out"]) for second in table("show", str(client.pid))) == 5140
            flow = table("flows", str(client.pid))[0]
            assert (flow["remote"], flow["out"], flow["protocol"]) == ("127.0.0.1:7000", "5140", "udp"), flow
            status = {line["key"]: line["value"] for line in table("status")}
            assert status["Ledger.attributed"] == "5140" and status["Devices.0.state"] == "capturing", status
            for by in ("app", "unit", "user", "interface", "remote", "protocol"):
                assert int(table("rank", "--by", by, "--recent", "300")[0]["total.out"]) >= 5140, by
            assert len(daemon.ctl("flows", "--csv", "--no-legend").stdout.splitlines()) == 1
            with client_of(daemon, "flows", "--csv", "--watch") as process:
                lines = [process.stdout.readline() for _ in range(3)]
            assert lines[0].startswith("timestamp,pid,") and abs(int(lines[1].split(",")[0]) - time.time()) < 60, lines
            assert lines[2].split(",")[1] == str(client.pid), lines


def test_terminal(build):
    """On a terminal: bold headings, no colour with NO_COLOR, and names that cannot play tricks."""
    with hosts(1) as (a,), daemon_on(a, build) as daemon, tempfile.TemporaryDirectory() as directory:
        evil = f"{directory}/a\x1b[31mz"
        os.symlink("/usr/bin/python3", evil)
        script = "import socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); " \
                 "s.sendto(b'x'*1000, ('127.0.0.1', 7000)); print(flush=True); sys.stdin.read()"
        with a.start([evil, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            daemon.settled()
            for colour in (True, False):
                environment = {**daemon.environment, "TERM": "xterm-256color", "NETFLOWCTL_PAGER": "cat",
                               **({} if colour else {"NO_COLOR": "1"})}
                screen = on_terminal([f"{build}/netflowctl"], environment)
                assert ("\x1b[1m" in screen) == colour, screen
                assert "\x1b[31mz" not in screen and "x1b[31mz" in screen, screen


def on_terminal(command, environment):
    controller, terminal = pty.openpty()
    with subprocess.Popen(command, stdout=terminal, env=environment) as process:
        os.close(terminal)
        screen = b""
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while data := os.read(controller, 4096):
                screen += data
        assert process.wait() == 0
    os.close(controller)
    return screen.decode()


def test_watch_on_terminal(build):
    """It stays in its place: each time it goes up by what it has written, and nothing is switched that would have to
    be switched back, so that whatever ends it leaves the terminal as it was. A resize starts on an empty screen."""
    with busy(build) as (daemon, _):
        controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 70, 0, 0))
        with os.fdopen(controller, "rb", 0) as screen, client_of(
                daemon, "--watch", "--recent", "300", stdout=terminal,
                env={**daemon.environment, "TERM": "xterm", "LC_ALL": "C.UTF-8"}) as process:
            seen = b""

            def until_seen(pattern):
                nonlocal seen
                while not re.search(pattern, seen):
                    assert select.select([screen], [], [], 60)[0], seen
                    seen += screen.read(4096)

            until_seen(rb"^[^\n]*PID.*\n.*python3.*\n.*python3.*\n\x1b\[J\r\x1b\[3A.*PID")
            assert b"2J" not in seen, seen
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 2, 20, 0, 0))
            process.send_signal(signal.SIGWINCH)
            until_seen(rb"\x1b\[H\x1b\[2J3 more")
            process.kill()
            os.close(terminal)
        assert not re.search(rb"\x1b[^\[]|\x1b\[[^mAJKH]*[^mAJKH0-9;]", seen), seen


def test_idle(build):
    """Without traffic: a few wake-ups a second, and no time on the processor worth the name."""
    def used(pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as status, \
                open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            switches = [int(line.split()[1]) for line in status if line.startswith("voluntary")][0]
            fields = stat.read().rsplit(")", 1)[1].split()
            return switches, int(fields[11]) + int(fields[12])

    with hosts(1) as (a,), daemon_on(a, build) as daemon:
        daemon.settled()
        begin, (switches, ticks) = time.monotonic(), used(daemon.process.pid)
        # an event that comes after a while, instead of a wait: nothing else happens on this host
        until(lambda: time.monotonic() - begin > 6, "six seconds")
        wakeups, spent = used(daemon.process.pid)[0] - switches, used(daemon.process.pid)[1] - ticks
        seconds = time.monotonic() - begin
        assert wakeups <= 4 * seconds, (wakeups, seconds)
        return f"{wakeups / seconds:.1f} wake-ups a second, {spent * 10} ms in {seconds:.0f} s"


main([test_read, test_read_bad, test_not_root, test_usage, test_no_daemon, test_second_daemon, test_standalone,
      test_standalone_killed, test_monitor_and_watch, test_output_errors, test_csv, test_terminal,
      test_watch_on_terminal, test_idle])
