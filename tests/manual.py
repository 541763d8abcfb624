#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds the man pages to what they describe: each option, verb, exit status, bus member, key, reason, … is an entry
of its page, and each entry is there to be used. Warnings of groff and mandoc are errors.

usage: manual.py BUILD, or --write-interface after the introspection XML has changed"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
DAEMON, CLIENT, BUS, CONFIGURATION = "netflowd.8", "netflowctl.1", "org.netflowd1.5", "netflowd.conf.5"
WIDTH = 80

# What libraries look up for us: sd-bus, sd-daemon.
LIBRARY_ENVIRONMENT = {DAEMON: {"DBUS_SYSTEM_BUS_ADDRESS", "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"},
                       CLIENT: {"DBUS_SYSTEM_BUS_ADDRESS"}}
# The settings of the unit that an administrator wants to know of.
UNIT_SETTINGS = ("Type", "Restart", "WatchdogSec", "CPUQuota", "MemoryMax", "TasksMax")
# Entries that are explanations of an entry: columns of the rank, reasons of a signal.
EXPLAINED = {(CLIENT, "VERBS"): {"PID", "NAME", "EXE", "INODES", "SUM IN", "SUM OUT", "IN RATE", "OUT RATE",
                                 "IN/s", "OUT/s", "IN", "OUT", "MINUTE"}}


# --- what a page says --------------------------------------------------------------------------------------------

def plain(text):
    """man(7) escapes as the characters they stand for."""
    text = re.sub(r"\\f[BIRP]|\\[&|]", "", text)
    for escape, character in ((r"\-", "-"), (r"\(aq", "'"), (r"\(dq", '"'), (r"\(mu", "×"), (r"\e", "\\")):
        text = text.replace(escape, character)
    return text


def arguments(line):
    """The font of each argument of a font macro, and the argument: B, I or R."""
    macro, _, rest = line.partition(" ")
    words = shlex.split(rest.replace("\\", "\\\\").replace("'", "\\'"))
    return [(macro[1:][i % len(macro[1:])], word) for i, word in enumerate(words)]


def tag_names(line):
    """What a tag has in bold: '.BR in ", " out " (t)"' → in, out; '.BI show " PID"' → show; '.B CPUQuota=20%' →
    CPUQuota."""
    if line.startswith(".B "):
        line = ".BR " + '"' + line[3:].replace('"', "") + '"'
    return [re.sub(r"=.*$|\(\)$", "", plain(word).strip()) for font, word in arguments(line) if font == "B"]


class Page:
    """A page's entries (.TP) by section and subsection, what it sets in bold, its running text and its examples."""

    def __init__(self, source):
        self.lines = source.splitlines()
        self.entries = []  # (line number, section, subsection, nested, names)
        self.sections, self.bold, self.text, self.examples = [], [], [], []
        section = subsection = None
        nesting, example = 0, False
        for i, line in enumerate(self.lines):
            if line.startswith(".SH "):
                section, subsection, nesting = line[4:].strip('"'), None, 0
                self.sections.append(section)
            elif line.startswith(".SS "):
                subsection = line[4:].strip('"')
                self.sections.append(subsection)
            elif line.startswith(".RS"):
                nesting += 1
            elif line.startswith(".RE"):
                nesting -= 1
            elif line in (".EX", ".EE"):
                example = line == ".EX"
                if example:
                    self.examples.append("")
            elif example:
                self.examples[-1] += plain(line) + "\n"
            elif line == ".TP":
                self.entries.append((i, section, subsection, nesting > 0, tag_names(self.lines[i + 1])))
            if not example:
                self.read_text(line)

    def read_text(self, line):
        if re.match(r"\.[BIR]{1,2} ", line):
            self.bold += [plain(word).strip() for font, word in arguments(line) if font == "B"]
            self.text.append(plain("".join(word for _, word in arguments(line))))
        elif not line.startswith("."):
            self.bold += [plain(word) for word in re.findall(r"\\fB(.*?)\\f[RP]", line)]
            self.text.append(plain(line))

    def names(self, section):
        """Of the entries of a section, or of a subsection; not of those within an entry."""
        return [name for _, *where, nested, names in self.entries if section in where and not nested
                for name in names]

    def is_bold(self, name):
        return any(name in re.split(r"[ ,()]+", text) for text in self.bold)


# --- what there is -----------------------------------------------------------------------------------------------

def output(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


def options_of(help_text):
    return set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", help_text, re.M))


def sources(*folders):
    return "\n".join(path.read_text(encoding="utf-8") for folder in folders
                     for path in sorted(ROOT.glob(f"{folder}/**/*.[ch]")))


def statuses_of(text):
    """The exit statuses that sources name; those of sysexits.h by their names too."""
    numbers = {"EXIT_SUCCESS": "0", "EXIT_FAILURE": "1", **dict(re.findall(r"#define (EXIT_\w+)\s+(\d+)", text))}
    found = {numbers[name] for name in re.findall(r"\bEXIT_[A-Z]+\b", text)}
    for name in set(re.findall(r"\bEX_[A-Z]+\b", text)):
        found |= {name, str(getattr(os, name))}
    return found


def environment_of(text):
    return set(re.findall(r'\b(?:secure_)?(?:getenv|setenv)\("(\w+)"', text))


def keys_of(text):
    """The names in the table of keys."""
    return {name for names in re.findall(r'^ +\{"([^"]+)", (?:NULL|"[^"]*"), "[^"]+", press_', text, re.M)
            for name in names.split(", ")}


def interface_of(path):
    """The members by kind, each method's signature, and the interface as a page writes it."""
    node = ElementTree.parse(path).getroot()
    interface = node.find("interface")
    members = {kind: [member.get("name") for member in interface.findall(kind)]
               for kind in ("method", "signal", "property")}
    signatures = {method.get("name"): "".join(arg.get("type") for arg in method.findall("arg[@direction='in']"))
                  for method in interface.findall("method")}
    block = f"node {node.get('name')} {{\n  interface {interface.get('name')} {{\n"
    for kind, plural in (("method", "methods"), ("signal", "signals"), ("property", "properties")):
        block += f"    {plural}:\n"
        for member in interface.findall(kind):
            block += property_lines(member) if kind == "property" else callable_lines(member)
    return members, signatures, block + "  };\n"


def callable_lines(member):
    """One argument a line; those of a signal have no direction."""
    name, texts = member.get("name"), []
    for arg in member.findall("arg"):
        direction = f"{arg.get('direction'):3} " if arg.get("direction") else ""
        texts.append(f"{direction}{arg.get('type')} {arg.get('name')}")
    return f"      {name}(" + (",\n" + " " * (len(name) + 7)).join(texts) + ");\n"


def property_lines(member):
    annotations = "".join(f"      @{a.get('name')}(\"{a.get('value')}\")\n" for a in member.findall("annotation"))
    return f"{annotations}      readonly {member.get('type')} {member.get('name')};\n"


class Facts:
    """All that the pages have to say, from the programs themselves, the sources and the files beside them."""

    def __init__(self, build):
        client_help = output(f"{build}/netflowctl", "--help")
        self.options = {DAEMON: options_of(output(f"{build}/netflowd", "--help")), CLIENT: options_of(client_help)}
        self.verbs = set(re.findall(r"^  ([a-z]+) ", client_help.split("Verbs:")[1].split("Options:")[0], re.M))
        header = (ROOT / "dbus/org.netflowd1.h").read_text(encoding="utf-8")
        self.header = dict(re.findall(r'#define NETFLOWD_(\w+)\s+"(.*)"', header))
        self.numbers = set(re.findall(r"#define NETFLOWD_\w+\s+(\d+)u", header))
        self.members, self.signatures, self.block = interface_of(ROOT / "dbus/org.netflowd1.Manager.xml")
        self.unit = (ROOT / "systemd/netflowd.service.in").read_text(encoding="utf-8").splitlines()
        self.pages = {path.name for path in page_paths()}
        self.entries = {**self.program_entries(), **self.bus_entries(build)}
        self.nested = self.nested_entries()
        self.configuration = None
        if "--print-config" in self.options[DAEMON]:
            self.configuration = set(re.findall(r"^[#;]? ?([A-Z]\w*)=", output(f"{build}/netflowd", "--print-config"),
                                                re.M))

    def group(self, prefix):
        return {value for name, value in self.header.items() if name.startswith(prefix + "_")}

    def setting(self, name):
        return [line.partition("=")[2] for line in self.unit if line.startswith(name + "=")]

    def nested_entries(self):
        """Options as often as methods read them, reasons as often as they are sent."""
        bus = sources("daemon/bus")
        return {(BUS, "Methods"): [self.header[name] for name in re.findall(r"\{NETFLOWD_(OPTION_\w+),", bus)],
                (BUS, "Signals"): self.group("STOPPED")}

    def program_entries(self):
        daemon, client = sources("daemon"), sources("client")
        return {
            (DAEMON, "OPTIONS"): self.options[DAEMON],
            (DAEMON, "EXIT STATUS"): statuses_of(daemon),
            (DAEMON, "SIGNALS"): set(re.findall(r"sd_event_add_signal\([^;]*?\b(SIG[A-Z0-9]+)", daemon)),
            (DAEMON, "JOURNAL FIELDS"): set(re.findall(r'"(NETFLOWD_[A-Z_]+)=', daemon)),
            (DAEMON, "ENVIRONMENT"): environment_of(daemon) | LIBRARY_ENVIRONMENT[DAEMON],
            (DAEMON, "PRIVILEGES"): set(self.setting("AmbientCapabilities")[0].split()),
            (CLIENT, "OPTIONS"): self.options[CLIENT],
            (CLIENT, "VERBS"): self.verbs,
            (CLIENT, "KEYS"): keys_of((ROOT / "client/top_keys.c").read_text(encoding="utf-8")),
            (CLIENT, "EXIT STATUS"): statuses_of(client),
            (CLIENT, "ENVIRONMENT"): environment_of(client) | LIBRARY_ENVIRONMENT[CLIENT],
        }

    def bus_entries(self, build):
        row = json.loads(output(f"{build}/netflowd", "--read", str(ROOT / "tests/golden/en10mb.pcap")))[0]
        within = {"traffic_stats": set(row["traffic_stats"]), "total": set(row["total"]),
                  "a ring entry": set(row["ring"][0])}
        bus = sources("daemon/bus")
        flow = re.findall(r"\bNETFLOWD_((?:KEY|FLOW)_\w+)", (ROOT / "daemon/bus/flow_list.c").read_text())
        other = {self.header[name] for name in re.findall(r"\bDIMENSION_\w+, NETFLOWD_((?:KEY|FLOW)_\w+)\)", bus)}
        reasons = re.findall(r'^ +X\(\w+, "([a-z-]+)"', sources("daemon/model"), re.M)
        unattributed = {self.header["LEDGER_UNATTRIBUTED"] + reason for reason in reasons}
        standard = {"org.freedesktop.DBus.Error." + name.title().replace("_", "")
                    for name in re.findall(r"\bSD_BUS_ERROR_([A-Z_]+)\b", bus) if name != "NULL"}
        policy = ElementTree.parse(ROOT / "dbus/org.netflowd1.policy").getroot()
        actions = {action.get("id") for action in policy.findall("action")}
        return {
            (BUS, "Methods"): set(self.members["method"]),
            (BUS, "Signals"): set(self.members["signal"]),
            (BUS, "Properties"): set(self.members["property"]),
            (BUS, "Keys of a process"): self.group("KEY") - other - set().union(*within.values()),
            (BUS, "Keys of rows by something else"): other,
            **{(BUS, f"Keys of {name}"): keys for name, keys in within.items()},
            (BUS, "Keys of a flow"): {self.header[name] for name in flow if name in self.header},
            (BUS, "Keys of a device"): self.group("DEVICE"),
            (BUS, "Keys of the limits"): self.group("LIMIT"),
            (BUS, "THE LEDGER"): self.group("LEDGER") - {self.header["LEDGER_UNATTRIBUTED"]} | unattributed,
            (BUS, "ERRORS"): self.group("ERROR") | standard,
            (BUS, "POLKIT ACTIONS"): self.group("ACTION") | actions,
        }


# --- where they differ -------------------------------------------------------------------------------------------

def entry_problems(facts, pages):
    for (name, section), expected in facts.entries.items():
        found = pages[name].names(section)
        yield from (f"{name}: {section}: no entry for {what}" for what in sorted(expected - set(found)))
        yield from (f"{name}: {section}: there is no {what}" for what in sorted(set(found) - expected))
        yield from (f"{name}: {section}: {what} is there twice" for what in set(found) if found.count(what) > 1)
    for (name, section), expected in {**EXPLAINED, **facts.nested}.items():
        found = sorted(what for _, *where, nested, names in pages[name].entries if section in where and nested
                       for what in names)
        if found != sorted(expected):
            yield f"{name}: {section}: within entries there is {found}, not {sorted(expected)}"


def bus_problems(facts, pages):
    page = pages[BUS]
    if not any(example.startswith(facts.block) for example in page.examples):
        yield f"{BUS}: the interface is not as in its introspection XML, which would be\n{facts.block}"
    # these three are in that block, or the beginning of others
    yield from (f"{BUS}: {value} ({name}) is nowhere in bold" for name, value in facts.header.items()
                if name not in ("OBJECT_PATH", "INTERFACE", "LEDGER_UNATTRIBUTED") and not page.is_bold(value))
    yield from (f"{BUS}: the number {number} is nowhere" for number in facts.numbers
                if not re.search(rf"\b{number}\b", " ".join(page.text)))
    members = {member for kind in facts.members.values() for member in kind}
    for name, text in ((name, example) for name, page in pages.items() for example in page.examples):
        text = re.sub(r"\s*\\\n\s*", " ", text)
        yield from (f"{name}: an example uses {member}, which is not there"
                    for member in re.findall(r"org\.netflowd1\.Manager[. ]([A-Z]\w+)", text) if member not in members)
        for method, signature in re.findall(r"busctl .*call .* (\w+) ['\"]?([a-z{}()]+)['\"]? \S", text):
            if facts.signatures.get(method) != signature:
                yield f"{name}: an example calls {method} with {signature}, not {facts.signatures.get(method)}"


def unit_problems(facts, pages):
    """What the page shows of the unit is there, and what it has to show is shown."""
    shown = [text for text in pages[DAEMON].bold if re.fullmatch(r"[A-Z][A-Za-z]+=\S+", text)]
    yield from (f"{DAEMON}: the unit has no {text}" for text in shown if text not in facts.unit)
    yield from (f"{DAEMON}: nothing about {name}= of the unit" for name in UNIT_SETTINGS
                if not any(text.startswith(name + "=") for text in shown))


def command_problems(facts, pages):
    """What text and examples of any page say about our commands."""
    programs = {"netflowd": DAEMON, "netflowctl": CLIENT}
    everything = set().union(*facts.options.values())
    for name, page in pages.items():
        named = re.findall(r"--[a-z][a-z-]*", "\n".join(page.text))
        yield from (f"{name}: there is no option {option}" for option in named if option not in everything)
        examples = "\n".join(page.examples)
        for program, rest in re.findall(r"^(?:[$#] )?(netflowd|netflowctl)\b([^|&\n]*)", examples, re.M):
            words = rest.split()
            yield from (f"{name}: {program} has no option {word}" for word in words
                        if word.startswith("--") and word.split("=")[0] not in facts.options[programs[program]])
            if program == "netflowctl" and words and not words[0].startswith("-") and words[0] not in facts.verbs:
                yield f"{name}: netflowctl has no verb {words[0]}"


def link_problems(facts, pages):
    links = {(name, f"{page}.{number}") for name, one in pages.items()
             for page, number in re.findall(r"\b(netflow[\w.]*|org\.netflowd1)\((\d)\)", "\n".join(one.text))}
    links |= {("the unit", f"{page}.{number}") for line in facts.setting("Documentation")
              for page, number in re.findall(r"man:([\w.-]+)\((\d)\)", line)}
    yield from (f"{name}: there is no page {page}" for name, page in sorted(links) if page not in facts.pages)
    for name, page in pages.items():
        wanted = ["NAME", "EXAMPLES", "SEE ALSO"] + ([] if name.endswith(".5") else ["SYNOPSIS", "DESCRIPTION"])
        yield from (f"{name}: no section {section}" for section in wanted if section not in page.sections)


def configuration_problems(facts, pages):
    """From the day that there is a configuration file."""
    if CONFIGURATION not in pages:
        if facts.configuration is not None:
            yield f"{CONFIGURATION}: there is --print-config, and no page about what it prints"
        return
    page, printed = pages[CONFIGURATION], facts.configuration or set()
    described = {name for i, _, _, nested, names in page.entries if not nested and "=" in page.lines[i + 1]
                 for name in names}
    yield from (f"{CONFIGURATION}: no entry for {name}=" for name in sorted(printed - described))
    yield from (f"{CONFIGURATION}: netflowd --print-config does not print {name}=" for name in
                sorted(described - printed))
    if not printed:
        yield f"{CONFIGURATION}: netflowd --print-config prints no key"


def problems_of(facts, pages):
    return [problem for check in (entry_problems, bus_problems, unit_problems, command_problems, link_problems,
                                  configuration_problems) for problem in check(facts, pages)]


def lint(path):
    """Warnings of both formatters, and lines that are too wide for a terminal."""
    found = []
    for command in (["groff", "-ww", "-man", "-z"], ["mandoc", "-Tlint"]):
        result = subprocess.run([*command, str(path)], check=False, text=True, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
        found += [f"{command[0]}: {line}" for line in result.stdout.splitlines()]
    text = output("groff", "-Tutf8", "-man", f"-rLL={WIDTH - 2}n", *(f"-P-{option}" for option in "cbuo"), str(path))
    return found + [f"{path.name}: wider than {WIDTH} columns: {line}" for line in text.splitlines()
                    if len(line) > WIDTH]


# --- a check that cannot fail is none ----------------------------------------------------------------------------

def without_entry(page, number):
    """The page without the tag of one entry: its text falls to what stands before."""
    return Page("\n".join(page.lines[:number] + page.lines[number + 2:]))


def with_line(page, section, *lines):
    number = next(i for i, line in enumerate(page.lines) if line in (f".SH {section}", f".SS {section}"))
    return Page("\n".join(page.lines[:number + 1] + list(lines) + page.lines[number + 1:]))


def mutants(facts, pages):
    """Each is wrong in one way: (what it is, pages)."""
    for name, section in facts.entries:
        page = pages[name]
        for number, *where, _, names in page.entries:
            if section in where:
                yield f"{name} without {names}", {**pages, name: without_entry(page, number)}
        yield f"{name} with a surplus entry in {section}", {
            **pages, name: with_line(page, section, ".TP", ".B surplus", "Text.")}
    for line in (".B \\-\\-surplus", ".BR netflowsurplus (8)", ".B CPUQuota=1%"):
        yield f"{DAEMON} with {line}", {**pages, DAEMON: with_line(pages[DAEMON], "DESCRIPTION", line)}
    for example in ("netflowctl surplus", "netflowctl rank \\-\\-surplus", "netflowd \\-\\-surplus",
                    "busctl call x /x org.netflowd1.Manager Surplus",
                    "busctl call x /x org.netflowd1.Manager GetProcess s 1"):
        yield f"{BUS} with {example}", {**pages, BUS: with_line(pages[BUS], "EXAMPLES", ".EX", example, ".EE")}
    for name, old, new in ((BUS, "out a{sv} process)", "out a{sv} row)"), (BUS, "4096", "4095"),
                           (BUS, ".B exited", ".I exited"), (BUS, ".BR exited", ".IR exited"),
                           (DAEMON, "WatchdogSec=30s", "WatchdogSec=31s"), (DAEMON, ".SH EXAMPLES", ".SH SAMPLES")):
        if old in "\n".join(pages[name].lines):
            yield f"{name} with {new}", {**pages, name: Page("\n".join(pages[name].lines).replace(old, new))}


def self_test(facts, pages):
    missed = [what for what, mutant in mutants(facts, pages) if not problems_of(facts, mutant)]
    count = sum(1 for _ in mutants(facts, pages))
    assert count > 100, f"only {count} mutants"
    assert not missed, f"a wrong page would not be noticed: {missed}"

    # the configuration file, which may not be there yet: one key of both, missing on either side, no page
    case = Facts.__new__(Facts)
    case.configuration = {"Backend"}
    good = {CONFIGURATION: Page(".SH OPTIONS\n.TP\n.B Backend=\nText.")}
    assert not list(configuration_problems(case, good))
    assert list(configuration_problems(case, {}))
    assert list(configuration_problems(case, {CONFIGURATION: Page(".SH OPTIONS")}))
    case.configuration = {"Backend", "Filter"}
    assert list(configuration_problems(case, good))
    case.configuration = None
    assert list(configuration_problems(case, good)) and not list(configuration_problems(case, {}))
    return count


def page_paths():
    return sorted(path for folder in ("daemon", "client", "dbus") for path in (ROOT / folder).glob("*.[1-8]"))


def write_interface():
    """Puts the interface as its XML has it into the page."""
    path = ROOT / "dbus" / BUS
    block = interface_of(ROOT / "dbus/org.netflowd1.Manager.xml")[2]
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"^node /org/netflowd1 \{\n.*?^  \};\n", lambda _: block, text, count=1, flags=re.M | re.S),
                    encoding="utf-8")


def main():
    if sys.argv[1] == "--write-interface":
        write_interface()
        return
    facts = Facts(sys.argv[1])
    pages = {path.name: Page(path.read_text(encoding="utf-8")) for path in page_paths()}
    missing = {DAEMON, CLIENT, BUS} - set(pages)
    problems = [f"there is no {name}" for name in sorted(missing)] or problems_of(facts, pages)
    problems += [problem for path in page_paths() for problem in lint(path)]
    if problems:
        print("\n".join(problems))
        sys.exit(1)
    print(f"{len(pages)} pages say what there is; {self_test(facts, pages)} wrong ones would be noticed")


if __name__ == "__main__":
    main()
