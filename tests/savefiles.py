#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Reads every savefile below some folders with netflowd, and compares how many packets it had with capinfos(1).

usage: savefiles.py BUILD FOLDER…

By hand: `make corpus SAVEFILES='FOLDER…'`. Sources of tcpdump, wireshark and ndpi hold a thousand of them (apt-get source
--download-only). A file that is refused with an error, or that breaks off, is listed with the reason; a crash, a hang
or another number of packets fails."""

import collections
import gzip
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

SUFFIXES = {".pcap", ".pcapng", ".cap", ".ntar", ".dmp", ".snoop", ".dump"}
EX_DATAERR = 65  # sysexits.h
SECONDS = 60  # a file that takes longer never ends


def savefiles(folders, scratch):
    """Path to read and name to show; what is compressed is unpacked first."""
    for folder in folders:
        for path in sorted(pathlib.Path(folder).rglob("*")):
            if path.is_file() and path.suffix in SUFFIXES:
                yield path, path.name
            elif path.is_file() and path.suffix == ".gz" and pathlib.Path(path.stem).suffix in SUFFIXES:
                unpacked = scratch / path.stem
                with gzip.open(path) as source, open(unpacked, "wb") as target:
                    shutil.copyfileobj(source, target)
                yield unpacked, path.name
                unpacked.unlink()


def packets_by_capinfos(path):
    """None where it cannot read the file; what it read before a file breaks off."""
    output = subprocess.run(["capinfos", "-T", "-c", "-M", "-r", str(path)], capture_output=True, text=True,
                            errors="replace").stdout
    found = re.search(r"\t(\d+)$", output.strip())
    return int(found.group(1)) if found else None


def read(command, path):
    """Exit status (negative: a signal; None: a hang), standard output and the last line of standard error."""
    try:
        done = subprocess.run([*command, str(path)], capture_output=True, text=True, errors="replace",
                              timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return None, "", "hangs"
    return done.returncode, done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


def verdict(build, path):
    """Kind of outcome, and what there is to say of it."""
    status, output, error = read([f"{build}/tests/tools/read-savefile"], path)
    if status != 0:
        return "crashed", f"reading ended with {status}: {error}"
    packets, _, said = output.split(" ", 2)
    status, _, error = read([f"{build}/netflowd", "--read"], path)
    clean = said.strip() == str(path)
    if status != (0 if clean else EX_DATAERR):
        return "crashed", f"--read ended with {status}: {error}"
    said = said.strip().removeprefix(f"{path}: ")
    expected = packets_by_capinfos(path)
    if packets == "-":
        return "refused", said
    if expected is None:
        return "unknown to capinfos", f"{packets} packets"
    if int(packets) != expected:
        return "another number" if clean else "broken off elsewhere", f"{packets} packets, capinfos says {expected}: {said}"
    return ("the same", "") if clean else ("broken off at the same packet", said)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__.split("\n\n")[1])
    counts, reasons = collections.Counter(), collections.Counter()
    with tempfile.TemporaryDirectory() as scratch:
        for path, name in savefiles(sys.argv[2:], pathlib.Path(scratch)):
            kind, text = verdict(sys.argv[1], path)
            counts[kind] += 1
            if kind == "refused":
                reasons[text] += 1
            elif text:
                print(f"{name}: {kind}: {text}")
    for text, n in reasons.most_common():
        print(f"refused, {n} files: {text}")
    print(", ".join(f"{n} {kind}" for kind, n in counts.most_common()) or "no savefiles there")
    sys.exit(1 if not counts or counts["crashed"] or counts["another number"] else 0)


main()
