#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What bash, zsh and fish offer on a command line of ours."""

import contextlib
import os
import pathlib
import pty
import re
import select
import subprocess
import tempfile

from harness import DEADLINE, TRAFFIC, Traffic, daemon_on, hosts, main, private_bus

PROGRAMS = ("netflowctl", "netflowd")
EVIL = "a:b$(id>P)`ls`"  # what a process calls itself is nothing for a shell to run

BASH = """
COMP_LINE=$2 COMP_POINT=${#2} COMP_TYPE=${3:-9} COMP_WORDBREAKS=$' \\t\\n"\\'@><=;|&(:'
. "$1"; _${2%% *}; (( ${#COMPREPLY[@]} == 0 )) || printf '%s\\n' "${COMPREPLY[@]}"
"""

# Matches are taken down where they are added; ours are done once the widget is.
ZSH = """
PROMPT= RPROMPT=
fpath=({directory} $fpath)
autoload -Uz compinit && compinit -u -D
compadd() {{
    if [[ " $* " != *' '-[OAD]' '* ]]; then
        local -a hits
        builtin compadd -O hits "$@"
        (( $#hits )) && print -rl -- $hits >>{out}
    fi
    builtin compadd "$@"
}}
capture() {{ zle complete-word; print END >>{out}; }}
zle -C complete-word complete-word _main_complete
zle -N capture && bindkey '^I' capture
zstyle ':completion:*' verbose yes
zle-line-init() {{ print END >>{out}; }}
zle -N zle-line-init
"""


class Shells:
    """Each says what it would offer at the end of a line, without the explanations."""

    def __init__(self, build, environment):
        self.stack = contextlib.ExitStack()
        self.directory = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.environment = {**environment, "PATH": f"{build}:{os.environ['PATH']}", "HOME": self.directory,
                            "ZDOTDIR": self.directory, "LC_ALL": "C.UTF-8", "TERM": "dumb"}
        for program in PROGRAMS:
            for shell in ("bash", "zsh", "fish"):
                name = f"_{program}" if shell == "zsh" else f"{program}.{shell}"
                script = self.run(program, f"--print-completion={shell}")
                pathlib.Path(self.directory, name).write_text(script, encoding="utf-8")
        self.zsh_out = pathlib.Path(self.directory, "out")
        self.zsh = None

    def run(self, *words):
        result = subprocess.run(words, env=self.environment, cwd=self.directory, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=DEADLINE, check=False)
        assert result.returncode == 0 and not result.stderr, (words, result)
        return result.stdout

    def bash(self, line, kind="9"):
        script = f"{self.directory}/{line.split()[0]}.bash"
        return self.run("bash", "--norc", "-c", BASH, "bash", script, line, kind).splitlines()

    def fish(self, line):
        script = f"{self.directory}/{line.split()[0]}.fish"
        offers = self.run("fish", "--no-config", "-c", "source $argv[1]; complete -C $argv[2]", script, line).splitlines()
        return [offer.partition("\t")[0] for offer in offers]

    def start_zsh(self):
        pathlib.Path(self.directory, ".zshrc").write_text(
            ZSH.format(directory=self.directory, out=self.zsh_out), encoding="utf-8")
        controller, terminal = pty.openpty()
        self.zsh = self.stack.enter_context(os.fdopen(controller, "r+b", 0))
        process = self.stack.enter_context(subprocess.Popen(
            ["zsh", "-i", "-o", "no_global_rcs"], env=self.environment, cwd=self.directory, stdin=terminal,
            stdout=terminal, stderr=terminal, start_new_session=True))
        self.stack.callback(process.kill)
        os.close(terminal)
        self.until_zsh()

    def until_zsh(self):
        """What it took down until it was done; what it shows is read so that it can go on."""
        shown = b""
        while not (self.zsh_out.exists() and self.zsh_out.read_text(encoding="utf-8").endswith("END\n")):
            assert len(shown) < 1 << 20, shown
            if select.select([self.zsh], [], [], 0.02)[0]:
                shown += self.zsh.read(4096)
        lines = self.zsh_out.read_text(encoding="utf-8").splitlines()[:-1]
        self.zsh_out.unlink()
        return lines

    def zsh_offers(self, line):
        if not self.zsh:
            self.start_zsh()
        self.zsh.write(b"\x15" + line.encode() + b"\t")
        return self.until_zsh()

    def offers(self, line):
        """By shell, sorted, each once."""
        return {name: sorted(set(ask(line))) for name, ask in
                (("bash", self.bash), ("zsh", self.zsh_offers), ("fish", self.fish))}


def assert_all(shells, line, expected):
    for shell, offers in shells.offers(line).items():
        assert offers == sorted(expected), (line, shell, offers, sorted(expected))


@contextlib.contextmanager
def shells_of(build, environment):
    shells = Shells(build, environment)
    with shells.stack:
        yield shells


def test_options(build):
    """Each option of --help, and no other, is in each completion of each program; each verb; the words of those that
    take words, as its errors name them. Without a netflowd there is nothing more, and none is started for it."""
    with private_bus() as bus, shells_of(build, {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": bus.address}) as shells:
        for program in PROGRAMS:
            options = re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", shells.run(program, "--help"), re.M)
            assert len(options) > 10, options
            assert_all(shells, f"{program} --", options)
            result = subprocess.run([f"{build}/{program}", "--print-completion=ksh"], check=False, text=True,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            assert result.returncode == 2 and "bash" in result.stderr and not result.stdout, result
        help_text = shells.run("netflowctl", "--help")
        verbs = re.findall(r"^  ([a-z]+) ", help_text.split("Verbs:")[1].split("Options:")[0], re.M)
        assert_all(shells, "netflowctl ", verbs)
        assert_all(shells, "netflowctl --json --limit 3 s", ["show", "status", "start", "stop"])
        for option in ("--by", "--sort", "--format"):
            error = subprocess.run([f"{build}/netflowctl", option, "x"], check=False, text=True,
                                   stderr=subprocess.PIPE).stderr
            assert_all(shells, f"netflowctl {option} ", error.split("one of ")[1].split("\n")[0].split(", "))
        assert_all(shells, "netflowctl rank --by u", ["unit", "user"])
        assert_all(shells, "netflowd --backend ", ["auto", "bpf", "pcap"])
        assert "debug" in shells.bash("netflowd --log-level ")
        assert shells.bash("netflowctl --by=un") == ["unit"] and shells.bash("netflowctl --watch st") == [
            "status", "start", "stop"]
        pathlib.Path(shells.directory, "x.pcap").touch()
        assert_all(shells, "netflowctl pcap -w x.p", ["x.pcap"])
        for line in ("netflowctl show ", "netflowctl pcap --unit ", "netflowctl --limit "):
            assert_all(shells, line, [])
        assert not shells.bash("netflowctl show 1 ") and not shells.bash("netflowctl status ")


def test_values(build):
    """Pids that netflowd knows, with their names, and the devices of this host."""
    with hosts(1) as (a,), daemon_on(a, build) as daemon, shells_of(build, daemon.environment) as shells:
        os.symlink("/usr/bin/python3", f"{shells.directory}/{EVIL}")
        with a.start([f"{shells.directory}/{EVIL}", TRAFFIC], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            client = Traffic(process)
            client.tell("udp", "c", "127.0.0.1", 0)
            client.tell("send", "c", "127.0.0.1", 7000, 5, 1000)
            daemon.settled()
            assert daemon.row(client.pid)["name"] == EVIL
            for line in ("netflowctl show ", "netflowctl flows ", "netflowctl pcap --pid "):
                assert_all(shells, line, [str(client.pid)])
            assert shells.bash("netflowctl --no-legend show ") == [str(client.pid)]
            assert shells.run("netflowctl", "--complete=pid") == f"{client.pid}\t{EVIL}\n"
            names = [name for name in os.listdir("/sys/class/net") if name != "bonding_masters"]
            for line in ("netflowctl start --device ", "netflowd --device "):
                assert_all(shells, line, names)
            assert not os.path.exists(f"{shells.directory}/P")


def test_names_of_units(build):
    """They may have a backslash, which a shell takes for its own, and "@" and ":", where bash breaks words."""
    name = "app-a\\x2db@1:2.scope"
    with shells_of(build, dict(os.environ)) as shells, tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "netflowctl")
        path.write_text(f"#!/bin/sh\nprintf '%s\\t%s\\n' '{name}' 'a : b' 'other.scope' ''\n", encoding="ascii")
        path.chmod(0o755)
        shells.environment["PATH"] = f"{directory}:{shells.environment['PATH']}"
        for line in ("netflowctl pcap --unit ", "netflowctl pcap --unit app", "netflowctl pcap --unit=app-"):
            expected = [name] if "app" in line else [name, "other.scope"]
            assert sorted(shells.bash(line)) == [word.replace("\\", "\\\\") for word in expected], line
            assert sorted(shells.zsh_offers(line)) == expected, line
            assert [word.removeprefix("--unit=") for word in sorted(shells.fish(line))] == expected, line
        assert shells.bash("netflowctl pcap --unit other") == ["other.scope"]
        assert shells.bash("netflowctl pcap --unit ", "63") == [r"app-a\\x2db@1:2.scope  (a : b)", "other.scope"]


main([test_options, test_values, test_names_of_units])
