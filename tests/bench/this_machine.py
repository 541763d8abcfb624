# SPDX-License-Identifier: MIT
"""What it was measured on."""

import os
import pathlib
import re


def processor(text):
    match = re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    return match[1] if match else "unknown processor"


def describe():
    info = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    virtual = " (virtual machine)" if re.search(r"^flags.*\bhypervisor\b", info, re.MULTILINE) else ""
    load = os.getloadavg()[0]
    return (f"{os.cpu_count()} × {processor(info)}{virtual}, Linux {os.uname().release.split('-')[0]}, "
            f"load average {load:.1f} at the end")
