#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds the layers by what the compiler read: its dependency files name every header of every object.

usage: layers.py BUILD"""

import pathlib
import re
import sys

# Each folder may include itself, those named here, and dbus/, the contract.
ALLOWED = {
    "daemon/util": set(),
    "daemon/model": {"util"},
    "daemon/decode": {"util", "model"},
    "daemon/source/bpf": set(),  # programs for the kernel, and what they share with who loads them
    "daemon/kernel": {"util", "source/bpf"},
    "daemon/source": {"util", "model", "decode", "kernel", "source/bpf"},
    "daemon/owner": {"util", "model", "kernel", "source/bpf"},
    "daemon/account": {"util", "model"},
    "daemon/limits": {"util"},
    "daemon/config": {"util", "model"},
    "daemon/engine": {"util", "model", "source", "owner", "account"},
    "daemon/store": {"util", "model", "source", "account", "engine"},
    "daemon/bus": {"util", "model", "source", "owner", "account", "limits", "engine", "store"},
    "daemon/manager": {"util", "model", "config", "source", "owner", "account", "limits", "engine", "store", "bus"},
    "daemon": {"util", "model", "config", "source", "owner", "account", "limits", "engine", "store", "bus", "manager"},  # main.c
    "client": set(),
    "dbus": set(),
}
# Of what both programs share, these are no D-Bus: how spans and sizes are written, and shells complete.
NO_DBUS = {"dbus/units.h", "dbus/completion.h"}
SPEAKS_DBUS = {"daemon/bus", "daemon/manager", "daemon", "client"}

# Libraries by a header of theirs, and who may use them.
LIBRARIES = {
    r"/systemd/sd-": SPEAKS_DBUS,
    r"/pcap(/|\.h)": {"daemon/source"},
    r"/ini\.h$": {"daemon/config"},
    r"/bpf/(lib)?bpf\.h": {"daemon/kernel", "daemon/source", "daemon/owner"},
    r"/libmnl/": {"daemon/source", "daemon/owner"},
    r"/json-c/": {"client"},
    r"/libsmartcols/": {"client"},
    r"/n?curses\.h$": {"client"},
}


def folder_of(path):
    return str(pathlib.PurePosixPath(path).parent)


def problems_of(source, headers):
    """What one object includes that it must not."""
    folder = folder_of(source)
    if folder not in ALLOWED:
        return [f"{source}: no layer is known for {folder}"]
    allowed = {folder, "dbus"} | {f"daemon/{name}" for name in ALLOWED[folder]}
    if folder not in SPEAKS_DBUS:
        allowed.discard("dbus")
    # what comes in through a header that is allowed is not held against this one
    found = []
    for header in headers:
        if header.startswith(("daemon/", "client/", "dbus/")):
            if header in NO_DBUS and folder == "daemon/config":
                continue
            if folder_of(header) not in allowed | inherited(allowed):
                found.append(f"{source} includes {header}")
        else:
            found += [f"{source} includes {header}" for pattern, users in LIBRARIES.items()
                      if re.search(pattern, header) and folder not in users]
    return found


def inherited(allowed):
    """The layers below those that are allowed: their headers may need them."""
    return {f"daemon/{name}" for folder in allowed for name in ALLOWED.get(folder, set())}


def read_dependencies(path):
    words = path.read_text(encoding="utf-8").replace("\\\n", " ").split("\n", 1)[0].split()
    return words[1], words[2:]


def check(build):
    objects = [read_dependencies(path) for path in sorted(pathlib.Path(build).rglob("*.d"))]
    objects = [(source, headers) for source, headers in objects if source.startswith(("daemon/", "client/"))]
    if len(objects) < 40:
        return [f"only {len(objects)} dependency files below {build}: is it built?"]
    return [problem for source, headers in objects for problem in problems_of(source, headers)]


def self_test():
    """A check that cannot fail is none."""
    assert problems_of("daemon/util/x.c", ["daemon/model/flow_key.h"])
    assert problems_of("daemon/account/x.c", ["daemon/source/source.h"])
    assert problems_of("daemon/account/x.c", ["/usr/include/pcap/pcap.h"])
    assert problems_of("daemon/engine/x.c", ["/usr/include/systemd/sd-bus.h"])
    assert problems_of("daemon/source/x.c", ["daemon/owner/owner_lookup.h"])
    assert problems_of("daemon/owner/x.c", ["daemon/source/source.h"])
    assert problems_of("daemon/account/x.c", ["daemon/source/bpf/account.h"])
    assert problems_of("daemon/engine/x.c", ["/usr/include/bpf/libbpf.h"])
    assert problems_of("daemon/x.c", ["/usr/include/curses.h"])
    assert problems_of("client/x.c", ["daemon/util/macros.h"])
    assert problems_of("daemon/engine/x.c", ["daemon/config/config.h"])
    assert problems_of("daemon/bus/x.c", ["/usr/include/ini.h"])
    assert problems_of("daemon/config/x.c", ["dbus/org.netflowd1.h"])
    assert problems_of("daemon/new/x.c", [])
    assert not problems_of("daemon/decode/x.c", ["daemon/decode/decode.h", "daemon/model/sample.h"])


def main():
    self_test()
    problems = check(sys.argv[1])
    print("\n".join(problems) or "every include points down")
    sys.exit(1 if problems else 0)


main()
