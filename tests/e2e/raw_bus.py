# SPDX-License-Identifier: MIT
"""D-Bus as it is on the wire, so that what no library would send can be sent. D-Bus specification, "Message Protocol"."""

import array
import os
import socket
import struct

CALL, METHOD_RETURN, ERROR, SIGNAL = 1, 2, 3, 4  # types of messages
INTERACTIVE = 4                                  # a flag: the user may be asked
BUS = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus")
ANSWER_SECONDS = 60


def padded(data, to):
    return data + bytes(-len(data) % to)


def string(text):
    """As it stands in a body or as an object path."""
    data = text if isinstance(text, bytes) else text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def field(code, kind, value):
    """One (yv) of the array of header fields: an object path or string has 32 bits of length, a signature 8."""
    start = struct.pack("<BB2s", code, 1, kind.encode() + b"\0")
    if kind == "u":
        return start + struct.pack("<I", value)
    return start + (struct.pack("<B", len(value)) + value.encode() + b"\0" if kind == "g" else string(value))


def call(serial, name, path, interface, member, signature="", body=b"", fds=0, flags=0):
    fields = b""
    for code, kind, text in ((1, "o", path), (2, "s", interface), (3, "s", member), (6, "s", name),
                             (8, "g", signature)) + (((9, "u", fds),) if fds else ()):
        fields = padded(fields, 8) + field(code, kind, text)
    header = struct.pack("<cBBBIII", b"l", CALL, flags, 1, len(body), serial, len(fields))
    return padded(header + fields, 8) + body


def read_message(stream):
    """Its type and how long it was."""
    kind, _, length = read_answer(stream)
    return kind, length


def read_answer(stream):
    """Its type, the serial that it answers (0: none), and how long it was."""
    header = stream.read(16)
    if len(header) < 16:
        raise EOFError("the connection ended")
    body_length, _, fields_length = struct.unpack("<III", header[4:])
    rest = stream.read(fields_length + -fields_length % 8 + body_length)
    serial = rest.find(b"\x05\x01u\0", 0, fields_length)  # REPLY_SERIAL
    return (header[1], struct.unpack_from("<I", rest, serial + 4)[0] if serial >= 0 else 0, 16 + len(rest))


class Connection:
    """A connection to a bus, made as that user; or to a peer, at the other end of a socket that is there."""

    def __init__(self, address, uid=0, peer=None):
        self.serial = 0
        self.socket = peer or self.connect(address, uid)
        self.socket.settimeout(ANSWER_SECONDS)
        self.stream = self.socket.makefile("rb")
        # all at once, as sd-bus does: its server does not look at a message that came together with BEGIN
        self.socket.sendall(b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode() + b"\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n")
        assert self.stream.readline().startswith(b"OK")
        assert self.stream.readline().startswith(b"AGREE_UNIX_FD")
        if not peer:
            self.ask(*BUS, "Hello")

    @staticmethod
    def connect(address, uid):
        """The bus looks who it is when the connection is made (SO_PEERCRED)."""
        made = socket.socket(socket.AF_UNIX)
        os.seteuid(uid)
        try:
            made.connect(address.removeprefix("unix:path="))
        finally:
            os.seteuid(0)
        return made

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def message(self, *words, **options):
        self.serial += 1
        return call(self.serial, *words, **options)

    def send(self, *words, fds=(), **options):
        """A call whose answer is not waited for."""
        self.send_raw(self.message(*words, fds=len(fds), **options), fds)

    def send_raw(self, data, fds=()):
        """All of it; the descriptors with the first byte."""
        sent = self.socket.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        self.socket.sendall(memoryview(data)[sent:])

    def ask(self, *words, **options):
        """Calls and waits for the answer; gives its type."""
        self.send(*words, **options)
        return self.answer()

    def answer(self):
        """The type of the answer to the last call."""
        while True:
            kind, serial, _ = read_answer(self.stream)
            if serial == self.serial:
                return kind
