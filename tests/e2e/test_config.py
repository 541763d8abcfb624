#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Configuration: where it comes from, what is wrong with it, and what a reload changes."""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from harness import INTERFACE, NAME, OBJECT, daemon_on, hosts, main, read_until, sh, traffic, until

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATAGRAM = 1028  # bytes at the IP layer of the datagrams that are sent here


def run(*words, **options):
    return subprocess.run(words, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def settings_of(text):
    """What --print-config has printed: values, and where each is from."""
    lines = text.splitlines()
    assert lines[0] == "[Netflowd]", text
    pairs = list(zip(lines[1::2], lines[2::2]))
    assert all(origin.startswith("# ") for origin, _ in pairs) and len(lines) == 1 + 2 * len(pairs), text
    return {line.split("=", 1)[0]: (line.split("=", 1)[1], origin[2:]) for origin, line in pairs}


@contextlib.contextmanager
def configuration(text):
    """A file to change: its path, and what writes it."""
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        path = pathlib.Path(directory, "netflowd.conf")

        def write(lines):
            new = path.with_suffix(".new")
            new.write_text(lines, encoding="utf-8")
            new.rename(path)

        write(text)
        yield str(path), write


def get(daemon, name):
    return json.loads(daemon.busctl("-j", "get-property", NAME, OBJECT, INTERFACE, name))["data"]


def reload(daemon):
    daemon.process.send_signal(signal.SIGHUP)


def hears(daemon, pattern):
    """The daemon's next line, which is nothing else."""
    line = read_until(daemon.process.stderr, "")
    assert pattern in line, (pattern, line)


def test_print_config(build):
    """Defaults, a file, the search, the environment, the command line; and all of it can be read back."""
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        file = pathlib.Path(directory, "x.conf")
        defaults = settings_of(run(f"{build}/netflowd", "--config", "/dev/null", "--print-config").stdout)
        assert {origin for _, origin in defaults.values()} == {"default"}, defaults
        assert defaults["SyncInterval"][0] == "250ms" and defaults["Filter"][0] == "", defaults

        file.write_text("[Netflowd]\nSignalLimit=3\n\nFilter=tcp ; or \\\nudp\nSignalLimit=4\n", encoding="utf-8")
        result = run(f"{build}/netflowd", "--config", str(file), "--print-config", "--queue-size", "77",
                     "--signal-interval=90000ms", env={**os.environ, "SYSTEMD_LOG_LEVEL": "7"})
        assert result.returncode == 2 and "--signal-interval 90000ms" in result.stderr, result
        result = run(f"{build}/netflowd", "--config", str(file), "--print-config", "--queue-size", "77",
                     "--signal-interval=1500ms", env={**os.environ, "SYSTEMD_LOG_LEVEL": "7"})
        settings = settings_of(result.stdout)
        assert result.returncode == 0 and not result.stderr, result
        assert settings == {**defaults, "SignalLimit": ("4", f"{file}:6"), "Filter": ("tcp ; or  udp", f"{file}:4"),
                            "QueueSize": ("77", "command line"), "SignalInterval": ("1s 500ms", "command line"),
                            "LogLevel": ("debug", "$SYSTEMD_LOG_LEVEL")}, settings

        file.write_text(result.stdout, encoding="utf-8")
        again = settings_of(run(f"{build}/netflowd", "--config", str(file), "--print-config").stdout)
        assert {key: value for key, (value, _) in again.items()} == \
               {key: value for key, (value, _) in settings.items()}, again

        shipped = run(f"{build}/netflowd", "--config", str(ROOT / "systemd/netflowd.conf"), "--print-config")
        assert settings_of(shipped.stdout) == defaults and not shipped.stderr, shipped

        # the folders that are searched, in a mount namespace where /run is ours
        script = ("mount -t tmpfs none /run && mkdir -p /run/netflowd/netflowd.conf.d && "
                  "printf '[Netflowd]\\nSignalLimit=8\\n' > /run/netflowd/netflowd.conf.d/zz-test.conf && exec ")
        searched = settings_of(sh(["unshare", "-m", "sh", "-ec", f"{script} {build}/netflowd --print-config"]))
        assert searched["SignalLimit"] == ("8", "/run/netflowd/netflowd.conf.d/zz-test.conf:2"), searched

        result = run(f"{build}/netflowd", "--config", f"{directory}/none", "--print-config")
        assert result.returncode == 66 and f"{directory}/none: " in result.stderr and not result.stdout, result


def test_command_line(build):
    """What is wrong is refused in one line, with the option, the value and what is allowed."""
    for words, says in ((["--signal-limit", "0"], ["--signal-limit 0", "1..100"]),
                        (["--signal-limit", "many"], ["--signal-limit many", "1..100"]),
                        (["--queue-size", "1000001"], ["--queue-size 1000001", "0..1000000"]),
                        (["--sync-interval", "99999999999999999999y"], ["99999999999999999999y", "10ms..1min"]),
                        (["--signal-interval", "1 s s"], ["1 s s", "1s..1min"]),
                        (["--log-level", "8"], ["--log-level 8", "debug", "0..7"]),
                        (["--backend", "none"], ["--backend none", "auto|", "pcap"]),
                        (["--owners", "none"], ["--owners none", "auto|", "procfs"]),
                        (["--nonsense"], ["--nonsense", "no such option"]),
                        (["--filter"], ["--filter", "needs a value"])):
        result = run(f"{build}/netflowd", "--config", "/dev/null", *words)
        assert result.returncode == 2 and not result.stdout and result.stderr.count("\n") == 1, (words, result)
        assert all(part in result.stderr for part in says), (words, result)
    for filter_, golden in (("nonsense", "ipv4"), ("tcp port 70000", "ipv6")):
        result = run(f"{build}/netflowd", "--filter", filter_, "--read", str(ROOT / f"tests/golden/{golden}.pcap"))
        assert result.returncode == 2 and filter_ in result.stderr and result.stderr.count("\n") == 1, result
    with hosts(1) as (a,):
        result = run(*a.command([f"{build}/netflowd", "--config", "/dev/null", "--filter", "tcp or or udp"]))
        assert result.returncode == 2 and "syntax error" in result.stderr, result


def test_bad_file(build):
    """It starts, on defaults for what is wrong, and says where that is."""
    text = "[Netflowd]\nFilter=nonsense\nWorkers=0\nUnknown=1\nSignalLimit=1\n[Elsewhere]\nFilter=tcp\n"
    with hosts(1) as (a,), configuration(text) as (path, _), daemon_on(a, build, config=path) as daemon:
        hears(daemon, f"{path}:3: Workers=0: ")
        hears(daemon, f"{path}:4: unknown key Unknown=")
        hears(daemon, f"{path}:6: unknown section [Elsewhere]")
        hears(daemon, f"{path}:2: filter \"")
        assert get(daemon, "Filter") == "" and get(daemon, "Capturing") is True


def test_filter(build):
    """From the command line, and put in place of another while packets pass; the books stay."""
    with hosts(1) as (a,), configuration("[Netflowd]\nFilter=udp port 7001\n") as (path, write), \
            daemon_on(a, build, config=path) as daemon, traffic(a) as client, traffic(a) as server:
        for port in (7001, 7002):
            server.tell("udp", f"s{port}", "127.0.0.1", port)
        client.tell("udp", "c", "127.0.0.1", 0)

        def send():
            for port in (7001, 7002):
                client.tell("send", "c", "127.0.0.1", port, 10, 1000)
            return daemon.settled()["seen"] // DATAGRAM

        assert send() == 20  # out of the one and in to the other
        write("[Netflowd]\nFilter=udp port 7001 or udp port 7002\n")
        with a.start(["gdbus", "monitor", "--address", daemon.address, "-d", NAME],
                     stdout=subprocess.PIPE) as monitor:
            read_until(monitor.stdout, "is owned by")
            reload(daemon)
            hears(daemon, f"Filter=udp port 7001 or udp port 7002 ({path}:2) holds now")
            read_until(monitor.stdout, "PropertiesChanged.*udp port 7002")
        assert send() == 60
        # a bad one is refused in libpcap's words, and what ran runs on
        write("[Netflowd]\nSignalLimit=11\n\nFilter=udp prt 7001\n")
        reload(daemon)
        hears(daemon, f"Filter=udp prt 7001 ({path}:4) is not applied: filter \"")
        hears(daemon, f"SignalLimit=11 ({path}:2) holds now")
        assert get(daemon, "Filter") == "udp port 7001 or udp port 7002"
        assert send() == 100
        # while it is stopped, too: the next start has it
        daemon.ctl("stop")
        write("[Netflowd]\nSignalLimit=11\nFilter=udp port 7002\n")
        reload(daemon)
        hears(daemon, "Filter=udp port 7002 (")
        assert get(daemon, "Capturing") is False and send() == 100
        daemon.ctl("start")
        assert send() == 120
        row = daemon.row(client.pid)
        assert row["total"]["out"] == 60 * DATAGRAM, row


def test_reload(build):
    """What can be changed is, the rest says that it needs a restart, and a file that is gone changes nothing."""
    with hosts(1) as (a,), configuration("[Netflowd]\nLogLevel=info\n") as (path, write), \
            daemon_on(a, build, config=path) as daemon:
        hears(daemon, "capturing on any")  # which is information, and the last word of each reload
        reload(daemon)
        hears(daemon, "capturing on any")  # nothing has changed
        write("[Netflowd]\nLogLevel=info\nBackend=pcap\nSyncInterval=1s\nQueueSize=5\nSignalInterval=2s\n"
              "SignalLimit=x\n")
        reload(daemon)
        hears(daemon, f"{path}:7: SignalLimit=x: ")
        hears(daemon, f"Backend=pcap ({path}:3) needs a restart")
        hears(daemon, f"SyncInterval=1s ({path}:4) needs a restart")
        hears(daemon, f"QueueSize=5 ({path}:5) needs a restart")
        hears(daemon, f"SignalInterval=2s ({path}:6) holds now")
        hears(daemon, "capturing on any")
        os.remove(path)
        reload(daemon)
        hears(daemon, f"{path}: cannot read it")
        hears(daemon, "all stays as it is")
        hears(daemon, "capturing on any")
        write("[Netflowd]\nLogLevel=warning\nSignalInterval=3s\n")
        reload(daemon)  # the level holds from the last setting on: what comes before is still told
        hears(daemon, f"SignalInterval=3s ({path}:3) holds now")
        write("[Netflowd]\nLogLevel=warning\nSignalInterval=4s\nSignalLimit=101\n")
        reload(daemon)
        hears(daemon, f"{path}:4: SignalLimit=101")  # a warning, and neither notice nor information
        write("[Netflowd]\n")
        reload(daemon)
        hears(daemon, "LogLevel=info (default) holds now")  # and SignalInterval=1s, before it did


# Sends a datagram to a socket of its parent's ten times a second, each longer than the last: the rank always moves.
CHATTER = """
import os, socket, time
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 7000))
if os.fork() == 0:
    server.close()
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    parent = os.getppid()
    size = 1
    while os.getppid() == parent:
        client.sendto(b"x" * size, ("127.0.0.1", 7000))
        size += 1
        time.sleep(0.1)
    os._exit(0)
while True:
    server.recv(65536)
"""


def test_signals(build):
    """As many rows as asked for, after a reload as many as asked for then; and not more often than asked for."""
    with hosts(1) as (a,), configuration("[Netflowd]\nSignalLimit=1\nSignalInterval=4s\n") as (path, write), \
            daemon_on(a, build, config=path) as daemon, a.start([sys.executable, "-c", CHATTER]), \
            a.start(["busctl", f"--address={daemon.address}", "--json=short", "--match",
                     f"type='signal',interface='{INTERFACE}',member='RankChanged'", "monitor"],
                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as monitor:
        def rank():
            return json.loads(read_until(monitor.stdout, "RankChanged"))

        # stamped by who receives them, which may be late, but hardly by seconds
        signals = [rank() for _ in range(3)]
        times = [signal_["timestamp-realtime"] / 1e6 for signal_ in signals]
        assert all(later - earlier > 2 for earlier, later in zip(times, times[1:])), times
        assert all(len(signal_["payload"]["data"][1]) == 1 for signal_ in signals), signals
        write("[Netflowd]\nSignalLimit=2\n")
        reload(daemon)
        hears(daemon, "SignalInterval=1s (default) holds now")
        hears(daemon, "SignalLimit=2 (")
        until(lambda: len(rank()["payload"]["data"][1]) == 2, "two rows")


def test_queue_size(build):
    """While the daemon stands still the kernel has room for more packets, the more are asked for; what does not fit is
    counted."""
    count, held = 20000, []
    for size in (100, count):
        with hosts() as (a, b), daemon_on(a, build, "--queue-size", str(size), "--log-level", "err") as daemon, \
                traffic(b) as client, traffic(a) as server:
            server.tell("udp", "s", "10.9.0.1", 7000)
            client.tell("udp", "c", "0.0.0.0", 0)
            daemon.process.send_signal(signal.SIGSTOP)
            client.tell("send", "c", "10.9.0.1", 7000, count, 1000)
            daemon.process.send_signal(signal.SIGCONT)
            daemon.settled()
            received, dropped = get(daemon, "PacketsReceived"), get(daemon, "PacketsDropped")
            assert received + dropped == count, (size, received, dropped)
            held.append(received)
    assert held[0] < count / 4 < held[1], held
    return f"{held[0]} and {held[1]} of {count}"


def test_sync_interval(build):
    """What is told of a process is looked at again after that time only."""
    with hosts(1) as (a,):
        for interval, sockets in (("250ms", 3), ("1min", 1)):
            with daemon_on(a, build, "--sync-interval", interval) as daemon, traffic(a) as client, traffic(a) as server, \
                    a.start(["gdbus", "monitor", "--address", daemon.address, "-d", NAME],
                            stdout=subprocess.PIPE) as monitor:
                read_until(monitor.stdout, "is owned by")
                server.tell("udp", "s", "127.0.0.1", 7000)
                client.tell("udp", "c", "127.0.0.1", 0)
                client.tell("send", "c", "127.0.0.1", 7000, 1, 1000)
                until(lambda: daemon.row(client.pid), "the process")  # pylint: disable=cell-var-from-loop
                for name in ("d", "e"):
                    client.tell("udp", name, "127.0.0.1", 0)
                for _ in range(3):  # ticks of the daemon
                    client.tell("send", "c", "127.0.0.1", 7000, 1, 1000)
                    read_until(monitor.stdout, "RankChanged")
                assert daemon.row(client.pid)["inode_count"] == sockets, (interval, daemon.row(client.pid))


def test_log_level(build):
    """By hand, information is told where it is asked for: by option, by the environment, in a file."""
    with hosts(1) as (a,), configuration("[Netflowd]\nLogLevel=info\n") as (path, _):
        with daemon_on(a, build):
            pass  # and stop() finds that nothing was said
        with daemon_on(a, build, "--log-level", "info") as daemon:
            hears(daemon, "capturing on any")
            daemon.process.send_signal(signal.SIGTERM)
            hears(daemon, "stopped capturing")
            daemon.process.wait()
        with daemon_on(a, build, config=path) as daemon:
            hears(daemon, "capturing on any")
            daemon.process.send_signal(signal.SIGTERM)
            hears(daemon, "stopped capturing")
            daemon.process.wait()
        with daemon_on(a, build, "--log-level", "4", config=path):
            pass


main([test_print_config, test_command_line, test_bad_file, test_filter, test_reload, test_signals, test_queue_size,
      test_sync_interval, test_log_level])
