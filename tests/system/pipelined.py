# SPDX-License-Identifier: MIT
"""Many D-Bus calls sent before the first answer is read, as no library does it: a client that asks for all there is,
many times at once. D-Bus specification, "Message Protocol"."""

import os
import socket
import struct

BUS = "/run/dbus/system_bus_socket"
METHOD_RETURN, ERROR = 2, 3  # types of messages
ANSWER_SECONDS = 120


def padded(data, to):
    return data + bytes(-len(data) % to)


def field(code, kind, text):
    """One (yv) of the array of header fields: an object path or string has 32 bits of length, a signature 8."""
    length = struct.pack("<B" if kind == "g" else "<I", len(text))
    return struct.pack("<BB2s", code, 1, kind.encode() + b"\0") + length + text.encode() + b"\0"


def call(serial, name, path, interface, member, signature="", body=b""):
    fields = b""
    for code, kind, text in ((1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", name),
                             (8, "g", signature)):
        fields = padded(fields, 8) + field(code, kind, text)
    header = struct.pack("<cBBBIII", b"l", 1, 0, 1, len(body), serial, len(fields))
    return padded(header + fields, 8) + body


def read_message(stream):
    """Its type and how long it was."""
    header = stream.read(16)
    body_length, _, fields_length = struct.unpack("<III", header[4:])
    rest = fields_length + -fields_length % 8 + body_length
    assert len(stream.read(rest)) == rest
    return header[1], 16 + rest


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
