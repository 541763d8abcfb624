# SPDX-License-Identifier: MIT
"""A client of netflowd that costs little itself: it sends the bytes of calls and reads how long the answers are."""

import contextlib
import os
import socket
import struct
import time

from harness import INTERFACE, NAME, OBJECT

from pipelined import ERROR, METHOD_RETURN, call, read_message
from raw_bus import CALL, field, padded

SIGNAL = 4  # the type of such a message
ANSWER_SECONDS = 60
ADD_MATCH = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s")


def read_whole(stream):
    """The first 16 bytes of a message, and its body."""
    header = stream.read(16)
    if len(header) < 16:
        raise EOFError("the connection ended")
    body_length, _, fields_length = struct.unpack("<III", header[4:])
    stream.read(fields_length + -fields_length % 8)
    return header, stream.read(body_length)


class Client:
    """One connection."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(ANSWER_SECONDS)
        self.socket.connect(address.removeprefix("unix:path="))
        self.stream = self.socket.makefile("rwb")
        self.serial = 0
        self.stream.write(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        self.stream.flush()
        assert self.stream.readline().startswith(b"OK")
        self.stream.write(b"BEGIN\r\n")
        self.send("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
        self.name = self.whole_answer()[4:-1].decode()  # behind its length

    def send(self, *words, body=b""):
        self.serial += 1
        self.stream.write(call(self.serial, *words, body=body))
        self.stream.flush()

    def answer(self):
        """How long it was; signals in between are passed over."""
        while True:
            kind, length = read_message(self.stream)
            assert kind != ERROR, "an error instead of an answer"
            if kind == METHOD_RETURN:
                return length

    def whole_answer(self):
        """Its body."""
        while True:
            header, body = read_whole(self.stream)
            assert header[1] != ERROR, "an error instead of an answer"
            if header[1] == METHOD_RETURN:
                return body

    def ask_rank(self, limit, recent, name=NAME):
        self.send(name, OBJECT, INTERFACE, "GetProcessRank", "uu", body=struct.pack("<II", limit, recent))

    def time_rank(self, limit, recent, name=NAME):
        """Seconds from the call to the end of its answer."""
        begin = time.perf_counter()
        self.ask_rank(limit, recent, name)
        self.answer()
        return time.perf_counter() - begin

    def subscribe(self):
        rule = f"type='signal',interface='{INTERFACE}'".encode()
        self.send(*ADD_MATCH, body=struct.pack("<I", len(rule)) + rule + b"\0")
        self.answer()

    def close(self):
        self.stream.close()
        self.socket.close()


class Repeater(Client):
    """Answers the calls of one client with what netflowd has answered, which is all there: what the bus takes for that."""

    def __init__(self, address, client, signature, body):
        super().__init__(address)
        self.client, self.signature, self.body = client, signature, body

    def next_call(self):
        """Its serial; the bus tells of names too."""
        while True:
            header, _ = read_whole(self.stream)
            if header[1] == CALL:
                return struct.unpack_from("<I", header, 8)[0]

    def end(self):
        """Whoever waits here or there has an error then, and nothing more to wait for."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def repeat(self, calls):
        try:
            self.answer_calls(calls)
        except Exception:
            self.end()
            raise

    def answer_calls(self, calls):
        for _ in range(calls):
            serial, fields = self.next_call(), b""
            for code, kind, value in ((5, "u", serial), (6, "s", self.client.name), (8, "g", self.signature)):
                fields = padded(fields, 8) + field(code, kind, value)
            self.serial += 1
            self.stream.write(padded(struct.pack("<cBBBIII", b"l", METHOD_RETURN, 1, 1, len(self.body), self.serial,
                                                 len(fields)) + fields, 8) + self.body)
            self.stream.flush()
