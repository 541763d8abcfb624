# SPDX-License-Identifier: MIT
"""What the contestants look at: hosts of its own, and programs that move packets between them."""

import contextlib
import json
import select
import subprocess
import time

from harness import hosts, sh

DISCARD = ("nft 'table ip bench { chain in { type filter hook prerouting priority raw; udp dport 9 drop; "
           "ip daddr 198.18.0.0/15 drop; }; }'")


def pause(seconds):
    select.select([], [], [], seconds)


@contextlib.contextmanager
def pair():
    """Two hosts and a cable. What flood sends ends as it arrives: nobody answers it, and it costs little."""
    with hosts() as (a, b):
        b.sh(DISCARD)
        yield a, b


def packets(host, device="v0"):
    """What its interface counted, in and out."""
    stats = json.loads(sh(["ip", "-n", host.name, "-s", "-j", "link", "show", device]))[0]["stats64"]
    return stats["rx"]["packets"] + stats["tx"]["packets"]


def nsenter(host, words, **options):
    return subprocess.Popen(["nsenter", f"--net=/run/netns/{host.name}", *words], text=True, **options)


def flood(build, host, mode, number, rate=0, to="10.9.0.2"):
    """tests/tools/flood.c"""
    return nsenter(host, [f"{build}/tests/tools/flood", mode, to, str(number), str(rate)],
                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def growth(seconds, *readers):
    """What each reader's number grows by in that time; how long it really was comes last."""
    before = [read() for read in readers]
    begin = time.monotonic()
    pause(seconds)
    after = [read() for read in readers]
    return [late - early for early, late in zip(before, after)] + [time.monotonic() - begin]
