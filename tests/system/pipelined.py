# SPDX-License-Identifier: MIT
"""Many D-Bus calls sent before the first answer is read, as no library does it: a client that asks for all there is,
many times at once. D-Bus specification, "Message Protocol"."""

import os
import pathlib
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from raw_bus import ERROR, METHOD_RETURN, call, read_message

BUS = "/run/dbus/system_bus_socket"
ANSWER_SECONDS = 120


def ask(number, name, path, interface, member, signature, body):
    """Sends so many calls at once; returns the lengths of the answers to them."""
    with socket.socket(socket.AF_UNIX) as bus:
        bus.settimeout(ANSWER_SECONDS)
        bus.connect(BUS)
        stream = bus.makefile("rwb")
        stream.write(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        stream.flush()
        assert stream.readline().startswith(b"OK")
        stream.write(b"BEGIN\r\n")
        stream.write(call(1, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello"))
        for serial in range(2, 2 + number):
            stream.write(call(serial, name, path, interface, member, signature, body))
        stream.flush()
        lengths = []
        while len(lengths) < 1 + number:
            kind, length = read_message(stream)
            assert kind != ERROR, f"an error after {len(lengths)} answers"
            if kind == METHOD_RETURN:
                lengths.append(length)
        return lengths[1:]
