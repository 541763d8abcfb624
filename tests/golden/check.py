#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Decodes the golden savefiles and compares each packet with its line; sees that make.py still makes just these.

usage: check.py BUILD"""

import difflib
import filecmp
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent


def decoded(build):
    """Savefile and number of each packet → what decoding it says."""
    files = sorted(HERE.glob("*.pcap"))
    output = subprocess.run([f"{build}/tests/tools/decode-dump", *map(str, files)], check=True, text=True,
                            stdout=subprocess.PIPE).stdout
    return {tuple(line.split(" ", 2)[:2]): line.split(" ", 2)[2] for line in output.splitlines()}


def compare(build):
    lines = decoded(build)
    expected = (HERE / "expected").read_text(encoding="utf-8").splitlines()
    got = []
    for line in expected:
        file, number, rest = line.split(" ", 2)
        got.append(f"{file} {number} {rest.split(':', 1)[0]}: {lines.pop((file, number), 'nothing')}")
    got += [f"{file} {number}: {rest}" for (file, number), rest in lines.items()]
    return list(difflib.unified_diff(expected, got, "expected", "decoded", lineterm="", n=0))


def main():
    problems = compare(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        subprocess.run([sys.executable, str(HERE / "make.py"), directory], check=True)
        made = sorted(path.name for path in pathlib.Path(directory).iterdir())
        kept = sorted(path.name for path in [*HERE.glob("*.pcap"), HERE / "expected"])
        if made != kept:
            problems.append(f"make.py writes {made}, here are {kept}")
        problems += [f"{name} is not what make.py writes" for name in made
                     if name in kept and not filecmp.cmp(HERE / name, pathlib.Path(directory) / name, False)]
    print("\n".join(problems) or f"{len((HERE / 'expected').read_text().splitlines())} packets as expected")
    sys.exit(1 if problems else 0)


main()
