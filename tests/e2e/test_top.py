#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""netflowctl top, on a terminal: what is on the screen, and what is left of it afterwards."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile

from harness import DEADLINE, busy, daemon_on, has_owner, hosts, main, move, read_until, sh, traffic, until

NOBODY = "setpriv --reuid=65534 --clear-groups"


class Terminal:
    """A shell on a terminal of tmux(1)."""

    def __init__(self, build, environment, columns=80, lines=24):
        self.socket, self.top, self.count = f"netflowd-{os.getpid()}", f"{build}/netflowctl top", 0
        # the search for leaks never ends where the terminal is gone: it waits for a thread that cannot be stopped then
        environment = {**environment, "LC_ALL": "C.UTF-8",
                       "ASAN_OPTIONS": environment.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(lines),
                  "PS1='$ ' exec bash --norc --noprofile", env=environment)
        self.pid = int(self.tmux("display-message", "-p", "#{pane_pid}"))

    def tmux(self, *words, **options):
        return sh(["tmux", "-u", "-L", self.socket, *words], **options)

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def wait(self, pattern):
        """Until it is somewhere on the screen, which is given."""
        seen = ""

        def matches():
            nonlocal seen
            seen = self.screen()
            return re.search(pattern, seen, re.MULTILINE)

        try:
            until(matches, pattern, deadline=20)
        except AssertionError as error:
            raise AssertionError(f"{error}; there is\n{seen}") from None
        return seen

    def press(self, keys, pattern):
        """A word is the name of a key, in tmux(1)."""
        self.tmux("send-keys", *keys.split())
        return self.wait(pattern)

    def type(self, text):
        self.tmux("send-keys", "-l", text)
        self.tmux("send-keys", "Enter")

    def begin(self, pattern=None, command=None):
        """top, in a shell that says afterwards how it ended and whether the terminal is as it was."""
        self.count += 1
        self.type(f"clear; was=$(stty -g); {command or self.top}; "
                  f"echo status=$? $(test \"$was\" = \"$(stty -g)\" && echo as before) {self.count}")
        return self.wait(pattern) if pattern else None

    def ended(self, status=0):
        """The screen of before is back."""
        screen = self.wait(rf"^status=\d+ .*{self.count}\n(.*\n)*\$$")
        assert f"status={status} as before {self.count}\n" in screen, screen
        assert self.tmux("display-message", "-p", "#{alternate_on}#{cursor_flag}").strip() == "01"
        return screen

    def child(self):
        return int(sh(["ps", "--ppid", str(self.pid), "-o", "pid="]).split()[0])

    def children(self):
        return [int(pid) for pid in subprocess.run(["ps", "--ppid", str(self.pid), "-o", "pid="], check=False, text=True,
                                                   stdout=subprocess.PIPE).stdout.split()]

    def close(self):
        """And with the terminal goes what runs on it."""
        running = self.children()
        self.tmux("kill-server")
        until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in running), "the end of what ran on the terminal")


@contextlib.contextmanager
def terminal(build, environment, **options):
    made = Terminal(build, environment, **options)
    try:
        made.wait(r"^\$$")
        yield made
    finally:
        made.close()


def order(screen):
    """The pids of the table, from the top on."""
    return [int(pid) for pid in re.findall(r"^ +(\d+) ", screen.split(" MINUTE\n")[1], re.M)]


def test_table(build):
    """Sorted, grouped, filtered, in other units."""
    with busy(build) as (daemon, client), terminal(build, daemon.environment) as at:
        sent = "21 kB"  # 20 × 1028
        screen = at.begin(rf"^ +{client.pid} python3 +root .* 0 B +{sent}")
        server = next(pid for pid in order(screen) if pid != client.pid)
        assert re.search(r"^Ledger +41 kB seen, 100.00 % with a process, 0 packets dropped$", screen, re.M), screen
        assert re.search(r"^No process +none$", screen, re.M) and "pcap  2 of 2 by process, most first" in screen, screen
        assert max(map(len, screen.splitlines())) <= 80 and len(screen.splitlines()) == 24, screen
        for keys, title, first in (("i", "most in first", server), ("o", "most out first", client.pid),
                                   ("s", "by name", None), ("s", "most first", None), ("t", "most first", None),
                                   ("n", "by name", None), ("s s", "most in first", server)):
            screen = at.press(keys, rf"2 of 2 by process, {title}$")
            assert sorted(order(screen)) == sorted([client.pid, server]), screen
            assert first is None or order(screen)[0] == first, (keys, screen)
        for group, row in (("app", rf"^ +2 python3.* {sent} +{sent} "), ("unit", r"^ +\d \S+ .*"),
                           ("user", rf"^ +2 root .* {sent} +{sent} "), ("process", rf"^ +{client.pid} python3 ")):
            assert re.search(row, at.press("g", rf"of \d by {group}, (.*\n)+ +\d+ "), re.M), group
        for keys, pattern in ((f"/ {' '.join(str(client.pid))}", f"1 of 2 .*with /{client.pid}$(.*\n)+/{client.pid}_$"),
                              ("x", "^Nothing matches"), ("BSpace Enter", r"1 of 2(.*\n)+\? help"), ("Escape", "2 of 2"),
                              ("/ P Y", "2 of 2"), ("C-u q", "0 of 2.*/q$"), ("Escape", "2 of 2")):
            at.press(keys, pattern)
        for keys, pattern in (("b", f" {20 * 1028 * 8 // 1000} kb "), ("B", r" 161 Kib "), ("b", r" 20 KiB "), ("B", sent),
                              ("l", r"^Interfaces .* without loopback$(.*\n)+No process had"),
                              ("l", rf"out  loopback \d(.*\n)+ +{client.pid} python3 .* {sent} ")):
            at.press(keys, pattern)
        at.press("p", "^PAUSED")
        assert re.search(r"\x1b\[[\d;]*41", at.screen("-e")), at.screen("-e")
        at.press("q", "^status=")
        at.ended()


def test_live(build):
    """It follows, pauses, shows one from nearby, and fits into whatever size."""
    with busy(build) as (daemon, client), terminal(build, daemon.environment) as at:
        at.begin(rf"^ +{client.pid} ")
        move(client)
        at.wait(rf"^ +{client.pid} .* 41 kB +[▁▂▃▄▅▆▇█]")
        at.press("p", "^PAUSED")
        with subprocess.Popen([f"{build}/netflowctl", "monitor", "--json"], env=daemon.environment, text=True,
                              stdout=subprocess.PIPE) as monitor:
            move(client)
            read_until(monitor.stdout, r'RankChanged.*"out":61680\b')
            monitor.terminate()
        assert " 41 kB" in at.press("o", "most out first")
        at.press("Space", rf"^ +{client.pid} .* 62 kB ")
        screen = at.press("Enter", r"^Flows +1$")
        for pattern in (rf"^Process {client.pid} ", r"^Name +python3, state S", r"^Total +0 B in, 62 kB out",
                        r"^Out, 5 min .*[▁▂▃▄▅▆▇█]", r"^udp +0 B +62 kB .* 127.0.0.1:7000 "):
            assert re.search(pattern, screen, re.M), (pattern, screen)
        at.press("Escape", r"2 of 2 by process")
        keys = at.press("?", r"^q, F10, Ctrl-C +quit")
        assert re.search(r"^Keys ", keys, re.M) and re.search(r"^t +most", keys, re.M), keys
        at.press("q", r"2 of 2 by process")
        for columns, lines, pattern in ((140, 12, rf"^ +{client.pid} python3 +root +- .*[▁▂▃▄▅▆▇█]"), (40, 10, rf"^ +{client.pid} python3"),
                                        (39, 10, "^terminal too small"), (7, 1, "^termina"), (80, 9, "^terminal too small"),
                                        (200, 60, rf"^ +{client.pid} python3")):
            at.tmux("resize-window", "-x", str(columns), "-y", str(lines))
            screen = at.wait(pattern)
            assert len(screen.splitlines()) == lines and max(map(len, screen.splitlines())) <= columns, screen


def test_ends(build):
    """The terminal is as it was, whatever the end; where it will not do, top says so."""
    with busy(build) as (daemon, client), terminal(build, daemon.environment) as at:
        row = rf"^ +{client.pid} python3"
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            at.begin(row)
            os.kill(at.child(), number)
            at.ended()
        at.begin(row)
        at.press("C-c", "^status=")
        at.ended()
        at.begin(row)
        at.press("C-z", r"Stopped")
        at.type("fg")
        at.wait(row)
        at.press("F10", r"^\$$")
        at.begin(row, f"TERM=vt100 LC_ALL=C NO_COLOR=1 {at.top}")
        assert re.search(rf"^ +{client.pid} .* +[.:=+*#@-]$", at.screen(), re.M), at.screen()
        at.press("q", "^status=")
        for command, status, said in ((f"TERM=dumb {at.top}", 1, "rank --watch"), (f"TERM=none {at.top}", 1, "terminal none"),
                                      (f"{at.top} | cat; false", 1, "needs a terminal"), (f"{at.top} --by remote", 2, "app, unit or"),
                                      (f"{at.top} --json", 2, "rank --watch --json")):
            at.begin(command=command)
            assert said in at.ended(status).replace("\n", ""), at.screen()
        at.begin(rf"^ +{client.pid} .*", f"{NOBODY} {at.top} --by process --sort out")
        at.press("Enter", r"^Flows +not told\n.*another user's, need\s+org.netflowd1.inspect")
        at.press("q q", "^status=")


def test_restart(build):
    """netflowd goes, and comes back; so does the bus. In red, unless colour is not wanted."""
    with hosts(1) as (a,), daemon_on(a, build) as daemon, traffic(a) as client, \
            terminal(build, daemon.environment) as at, contextlib.ExitStack() as stack:
        client.tell("udp", "c", "127.0.0.1", 0)
        at.begin("^No process had traffic yet", f"NO_COLOR=1 {at.top}")
        daemon.stop()
        at.wait(r"^netflowd is not running, waiting")
        assert not re.search(r"\x1b\[[\d;]*[34][0-7]", at.screen("-e")), at.screen("-e")
        stack.enter_context(a.start([f"{build}/netflowd", "--config", "/dev/null", "--backend", "pcap"],
                                    env=daemon.environment, stderr=subprocess.DEVNULL))
        until(lambda: has_owner(daemon), "another daemon")
        at.wait("^netflowctl top .* 0 of 0 ")
        move(client)
        at.wait(rf"^ +{client.pid} python3")
        daemon.bus.stop()
        at.wait("^The system bus is gone, waiting")
        daemon.bus.start()
        at.wait("^netflowctl top ")
        at.press("q", "^status=")
        at.ended()


def test_names(build):
    """Names that would play tricks with a terminal, and wide and combining characters."""
    names = {"a\x1b[31mz": r"a\\x1b\[31mz", "日本語日本語": r"日本語日本", "e\u0301\u0301\u0301te": "e\u0301+te",
             "\u202eevil": r"\\xe2\\x80\\xae"}
    script = "import select,socket,sys; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
             "while not select.select([sys.stdin], [], [], 0.1)[0]: s.sendto(b'x'*1000, ('127.0.0.1', 7000))"
    with hosts(1) as (a,), daemon_on(a, build) as daemon, tempfile.TemporaryDirectory() as directory, \
            contextlib.ExitStack() as stack:
        for name in names:
            os.symlink("/usr/bin/python3", f"{directory}/{name}")
            stack.enter_context(a.start([f"{directory}/{name}", "-c", script], stdin=subprocess.PIPE))
        with terminal(build, daemon.environment) as at:
            screen = at.begin(r"4 of 4")
            for pattern in names.values():
                assert re.search(rf"^ +\d+ {pattern} +root ", screen, re.M), (pattern, screen)
            assert "\x1b[31mz" not in at.screen("-e")
            # they go on, and over loopback only
            at.press("l", r" 0 of 0 by .*\nInterfaces .* without loopback\nProcesses +0 B/s in +0 B/s out$(.*\n)+No process had")
            at.press("l", r" 4 of 4 by .*\nInterfaces .*\nProcesses +0 B/s in +\S+ kB/s out ")


def test_many(build):
    """More processes than are asked for at a time: each can be found, and the sums are of all."""
    script = "import os,socket,sys\nfor i in range(300):\n if os.fork() == 0: break\nelse: i = None\n" \
             "if i is not None:\n s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
             " s.sendto(b'x' * (100 + i), ('127.0.0.1', 7000))\nprint(flush=True)\nsys.stdin.read()\nos._exit(0)"
    with hosts(1) as (a,), daemon_on(a, build) as daemon, \
            a.start([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for _ in range(301):
            process.stdout.readline()
        ledger = daemon.settled()
        rows = daemon.rank()
        least = min(rows, key=lambda row: row["total"]["out"])["pid"]
        with terminal(build, daemon.environment) as at:
            screen = at.begin(rf"250 of {len(rows)} by process, most first$")
            assert f"{100 * ledger['attributed'] / ledger['seen']:.2f} % with a process" in screen, screen
            at.press("n", f"{len(rows)} of {len(rows)} by process, by name$")
            at.press("t", f"250 of {len(rows)} by process, most first$")
            at.press(f"/ {' '.join(str(least))} Enter", rf"of {len(rows)} .*with /{least}$(.*\n)+ +{least} python3 ")
            at.press("Escape End", rf" {len(rows)} of {len(rows)} by process, most first$")
    

def test_standalone(build):
    """No bus, nothing set up, and nothing is left running."""
    with hosts(1) as (a,), traffic(a) as client:
        client.tell("udp", "c", "127.0.0.1", 0)
        with terminal(build, dict(os.environ)) as at:
            at.begin("^netflowctl top ", f"ip netns exec {a.name} {at.top} --standalone")
            until(lambda: move(client) or re.search(rf"^ +{client.pid} python3", at.screen(), re.M), "its row")
            child = sh(["ps", "--ppid", str(at.child()), "-o", "pid="]).split()
            assert len(child) == 1, child
            os.kill(at.child(), signal.SIGTERM)
            at.ended()
            assert not os.path.exists(f"/proc/{child[0]}")
            at.begin(command=f"{NOBODY} {at.top} --standalone")  # what its netflowd says comes through
            assert "netflowd: " in at.ended(1), at.screen()


main([test_table, test_live, test_ends, test_restart, test_names, test_many, test_standalone])
