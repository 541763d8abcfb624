#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What authors of applets copy, beside a netflowd: the programs of dbus/examples, on a screen, and the examples of
org.netflowd1(5), as they are printed there."""

import collections
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

from harness import DEADLINE, FEWER, INTERFACE, TRAFFIC, Traffic, daemon_on, hosts, main, move, sh, traffic, until
from screen import screen

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLES = ROOT / "dbus/examples"
sys.path.append(str(ROOT / "tests"))
from manual import plain  # pylint: disable=wrong-import-position

NAME = "<b>&\x1b[1m"  # of a process: markup, and what a terminal would act on
SHOWN = r"<b>&\u001b[1m"
NAME_IN_TOOLTIP = r"&lt;b&gt;&amp;\\x1b[1m"  # Pango's markup, in JSON
GONE = "netflowd is not running"
BLUE = (0x35, 0x84, 0xe4)  # the line of bytes in


def asked(daemon, interface, *call):
    """What the bus itself answers."""
    return json.loads(daemon.busctl("-j", "call", "org.freedesktop.DBus", "/org/freedesktop/DBus", interface, *call,
                                    stderr=subprocess.DEVNULL))["data"][0]


def connections(daemon):
    """The bus names of each process that is on the bus: where that stands for both buses of a desktop, it has two."""
    names = [name for name in asked(daemon, "org.freedesktop.DBus", "ListNames") if name.startswith(":")]
    found = collections.defaultdict(set)
    for name in names:
        with contextlib.suppress(subprocess.CalledProcessError):  # gone meanwhile
            found[asked(daemon, "org.freedesktop.DBus", "GetConnectionUnixProcessID", "s", name)].add(name)
    return found


def moving(client, condition, what):
    """Waits while there is traffic."""
    return until(lambda: move(client) or condition(), what)


def following(daemon):
    """Who gets our signals by which rule, as the bus has it: (bus name, rule)."""
    rules = asked(daemon, "org.freedesktop.DBus.Debug.Stats", "GetAllMatchRules")
    return [(name, rule) for name, found in rules.items() for rule in found if f"interface='{INTERFACE}'" in rule]


class Applet:
    """One of the examples, as it runs."""

    def __init__(self, process, output):
        self.process, self.output = process, output

    def lines(self):
        return self.output.read_text(encoding="utf-8").splitlines()

    def last(self):
        return (self.lines() or [""])[-1]


@contextlib.contextmanager
def applet(directory, environment, name, *words):
    """Its warnings are output, too."""
    output = pathlib.Path(directory, name)
    with open(output, "w", encoding="utf-8") as file, \
            subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=file,
                             stderr=subprocess.STDOUT) as process:
        try:
            yield Applet(process, output)
        finally:
            process.terminate()


@contextlib.contextmanager
def called(host, directory, name):
    """A process of that name that moves bytes."""
    program = pathlib.Path(directory, name)
    program.symlink_to("/usr/bin/python3")
    with host.start([str(program), TRAFFIC], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Traffic(process)


def bar_commands(build):
    """The lines for bars, as the files beside them have them."""
    return [[f"{build}/netflowctl", *re.search(pattern, (EXAMPLES / name).read_text(encoding="utf-8"))[1].split()]
            for name, pattern in (("waybar.jsonc", '"exec": "netflowctl (.*)"'),
                                  ("i3blocks.conf", "command=netflowctl (.*)"))]


class Desk:
    """All examples at once, and what they show: two windows, and what bars read."""

    def __init__(self, build, stack, daemon, shown, directory):
        self.daemon, self.screen, self.build = daemon, shown, build
        self.environment = {**daemon.environment, "DISPLAY": shown.display, "DBUS_SESSION_BUS_ADDRESS": daemon.address,
                            "GDK_BACKEND": "x11", "GSK_RENDERER": "cairo", "GDK_DEBUG": "gl-disable",
                            "GTK_A11Y": "none", "HOME": str(directory), "GSETTINGS_BACKEND": "memory",
                            "LC_ALL": "C.UTF-8",
                            "LSAN_OPTIONS": f"print_suppressions=0:suppressions={directory}/not-ours"}
        # fontconfig keeps what it has read
        pathlib.Path(directory, "not-ours").write_text("leak:libfontconfig\n", encoding="utf-8")
        self.commands = {"panel": [f"{build}/examples/panel"], "talkers": ["gjs", "-m", str(EXAMPLES / "talkers.js")],
                         "bar": [sys.executable, str(EXAMPLES / "bar.py")]}
        waybar, blocks = bar_commands(build)
        self.applets = {name: stack.enter_context(applet(directory, self.environment, name, *words))
                        for name, words in {**self.commands, "waybar": waybar, "blocks": blocks}.items()}
        self.panel = until(lambda: self.window("↓ 0 B/s  ↑ 0 B/s"), "the panel")
        self.talkers = until(lambda: self.window("No traffic"), "the window with the list")
        until(lambda: self.applets["bar"].last() == "[]," and '"idle"' in self.applets["waybar"].last(), "idle bars")
        shown.move(self.talkers, 0, 300)
        names = connections(daemon)
        self.names = {name: names[one.process.pid] for name, one in self.applets.items()}

    def window(self, title):
        return next((window for window, found in self.screen.titles().items() if found == title), None)

    def title(self, window):
        return self.screen.titles().get(window, "")

    def run_again(self, name):
        subprocess.run(self.commands[name], env=self.environment, check=True, timeout=DEADLINE)

    def shows(self, panel, talkers, bar):
        return re.fullmatch(panel, self.title(self.panel)) and self.title(self.talkers) == talkers and \
            bar in self.applets["bar"].last()

    def is_busy(self):
        """All name who it is."""
        rate = r"[\d.]+\s[kM]?B/s"
        return self.shows(rf"↓ {rate}  ↑ {rate} – {re.escape(SHOWN)}", SHOWN, json.dumps(SHOWN)[1:-1]) and \
            NAME_IN_TOOLTIP in self.applets["waybar"].last() and "kB/s" in self.applets["blocks"].last()

    def is_gone(self):
        return self.shows(GONE, GONE, GONE) and '"disconnected"' in self.applets["waybar"].last() and \
            self.applets["blocks"].last() == "–"

    def followers(self):
        """Who of these does."""
        return {name for name, names in self.names.items() for unique, _ in following(self.daemon) if unique in names}

    def graph_height(self):
        return self.screen.picture().rows_with(*BLUE)


@contextlib.contextmanager
def calls_of(daemon, output):
    """What is called meanwhile, in that file."""
    with open(output, "w", encoding="utf-8") as file, \
            subprocess.Popen(["dbus-monitor", "--address", daemon.address,
                              f"type='method_call',interface='{INTERFACE}'"], stdout=file) as monitor:
        try:
            until(lambda: "NameAcquired" in output.read_text(encoding="utf-8"), "a monitor")
            yield
        finally:
            monitor.terminate()


def test_applets(build):
    """They show who it is, whatever it calls itself; go on when netflowd is back; follow nothing while they are hidden;
    and ask no more often than they begin to show something."""
    with contextlib.ExitStack() as stack:
        (a,) = stack.enter_context(hosts(1))
        daemon = stack.enter_context(daemon_on(a, build))
        shown = stack.enter_context(screen(400, 600))
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netflowd-")))
        client, server = stack.enter_context(called(a, directory, NAME)), stack.enter_context(traffic(a))
        with calls_of(daemon, directory / "calls"):
            desk = Desk(build, stack, daemon, shown, directory)
            flat = desk.graph_height()
            server.tell("udp", "s", "127.0.0.1", 7000)
            client.tell("udp", "c", "127.0.0.1", 0)
            moving(client, desk.is_busy, "applets that show who it is")
            moving(client, lambda: desk.graph_height() > flat + 20, f"a graph that rises, from {flat} rows")

            daemon.stop()  # its bus stays
            until(desk.is_gone, "applets that miss it")
            stack.enter_context(a.start([f"{build}/netflowd", "--config", "/dev/null", "--backend", "pcap"],
                                        env=daemon.environment))
            moving(client, desk.is_busy, "applets that are back")
            assert desk.followers() == set(desk.names), desk.followers()

            hidden(desk, client)
            calls = (directory / "calls").read_text(encoding="utf-8")
        for name, expected in (("panel", 6), ("talkers", 3), ("bar", 3), ("waybar", 2), ("blocks", 2)):
            found = sum(sender in desk.names[name]
                        for sender in re.findall(r"sender=(\S+) .*member=GetProcessRank$", calls, re.M))
            assert found == expected, (name, found, expected)
        for name, window in (("panel", desk.panel), ("talkers", desk.talkers)):
            shown.close(window)
            assert desk.applets[name].process.wait(DEADLINE) == 0, desk.applets[name].lines()
            assert not desk.applets[name].lines(), desk.applets[name].lines()


def hidden(desk, client):
    """One by its own command, one by the window manager, one by its bar; and each back again."""
    desk.run_again("panel")
    desk.screen.minimize(desk.talkers, True)
    desk.applets["bar"].process.send_signal(signal.SIGUSR1)
    until(lambda: desk.followers() == {"waybar", "blocks"}, "only who is seen following")
    title, lines = desk.title(desk.talkers), desk.applets["bar"].lines()
    before = len(desk.applets["waybar"].lines())
    moving(client, lambda: len(desk.applets["waybar"].lines()) > before + 1, "signals")
    assert desk.title(desk.talkers) == title and desk.applets["bar"].lines() == lines
    desk.run_again("panel")
    desk.screen.minimize(desk.talkers, False)
    desk.applets["bar"].process.send_signal(signal.SIGUSR2)
    until(lambda: desk.followers() == set(desk.names), "all following")
    moving(client, lambda: desk.is_busy() and len(desk.applets["bar"].lines()) > len(lines), "applets that are back")
    assert desk.graph_height() > 20


def printed_examples():
    """Each program, and each command, of the page. Where an example shows what comes of it, the command is in bold."""
    source = (ROOT / "dbus/org.netflowd1.5").read_text(encoding="utf-8").split(".SH EXAMPLES")[1].split("\n.SH ")[0]
    for block in re.findall(r"^\.EX\n(.*?)^\.EE$", source, re.M | re.S):
        commands = re.findall(r"\$ \\fB(.*?)\\fR", block, re.S)
        if not commands and re.match("busctl|gdbus", block):
            commands = re.split(r"\n(?! )", block.rstrip())
        yield from (plain(command) for command in commands or [block])


def command_of(text, directory, pid):
    """How a reader runs it."""
    path = pathlib.Path(tempfile.mkdtemp(dir=directory), "example")
    path.write_text(text, encoding="utf-8")
    if "import dbus" in text or "from gi." in text:
        return [sys.executable, str(path)]
    if "from 'gi:" in text:
        return ["gjs", "-m", str(path)]
    if "polkit.addRule" in text:  # polkitd(8) has that object; that it can be read is what can be said without
        return ["gjs", "-c", f"new Function({json.dumps(text)}); print('read')"]
    if "#include" in text:
        path.rename(path.parent / "rank.c")
        command, rest = re.search(r"/\* (cc rank.c) (.*) \*/", text).groups()
        sh(f"cd {path.parent} && {command} -Wall -Wextra -Werror {rest}")
        return [str(path.parent / "a.out")]
    return ["sh", "-c", text.replace("6077", str(pid))]


# What is to be printed by an example, by what is in it.
PRINTED = {"jq -r": r"^python3\t\d+$", "jq .data.seen": r"^[1-9]\d+$", " Ledger": r'^a\{st\} .*"seen" [1-9]',
           "gdbus call": "'python3'|NoSuchProcess: No traffic of", "ListFlows": r'"remote" s "127\.0\.0\.1:7000"',
           "StopCapture": "^$", "busctl call": '"name" s "python3"', "gdbus monitor": r"RankChanged \(uint32 3",
           "busctl monitor": "Member=RankChanged", "import dbus": r"^python3 \d+$",
           "ProcessesChanged": r"^brief \d+ [1-9]\d+$", "RankChanged": r"^python3 \d+ \d+$",
           "cc rank.c": r"^python3 \d+$", "polkit.addRule": "^read$"}


def come_and_go(daemon, host, directory):
    """A process that sends a datagram, and exits when it is known that it was that one."""
    with called(host, directory, "brief") as brief:
        brief.tell("udp", "b", "127.0.0.1", 0)
        brief.tell("send", "b", "127.0.0.1", 7000, 1, 1000)
        until(lambda: (daemon.row(brief.process.pid) or {"total": {"out": 0}})["total"]["out"], "bytes that are known")
        brief.process.stdin.close()
        brief.process.wait(DEADLINE)


def key_of(text):
    key = next((key for key in PRINTED if key in text), None)
    assert key, f"nothing is said of what comes of {text}"
    return key


def test_printed(build):
    """The examples of the man page, all at once, come to what the page says."""
    with contextlib.ExitStack() as stack:
        (a,) = stack.enter_context(hosts(1))
        daemon = stack.enter_context(daemon_on(a, build))
        client, server = stack.enter_context(traffic(a)), stack.enter_context(traffic(a))
        directory = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="netflowd-")))
        server.tell("udp", "s", "127.0.0.1", 7000)
        client.tell("udp", "c", "127.0.0.1", 0)
        moving(client, lambda: len(daemon.rank()) == 2, "two processes")

        # the one that stops the capture comes last
        texts = sorted(printed_examples(), key=lambda text: "StopCapture" in text)
        assert {key_of(text) for text in texts} == set(PRINTED), "an example is missing"
        commands = [command_of(text, directory, client.process.pid) for text in texts]
        runs = [(key_of(text), stack.enter_context(applet(directory, daemon.environment, f"output{i}", *command)))
                for i, (text, command) in enumerate(zip(texts[:-1], commands))]
        until(lambda: any("ProcessesChanged" in rule for _, rule in following(daemon)), "somebody who follows")
        come_and_go(daemon, a, directory)

        def wrong():
            return {key: run.lines() for key, run in runs if not re.search(PRINTED[key], "\n".join(run.lines()), re.M)}

        try:
            moving(client, lambda: not wrong(), "what is printed")
        except AssertionError as error:
            raise AssertionError(wrong()) from error
        sh(commands[-1], env=daemon.environment)
        assert daemon.status()["Capturing"] is False


# of what is printed nothing is built as a build is: once is enough
main([test_applets] if FEWER else [test_applets, test_printed])
