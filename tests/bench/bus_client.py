# SPDX-License-Identifier: MIT
"""A client of netflowd that costs little itself: it sends the bytes of calls and reads how long the answers are."""

import os
import socket
import struct
import time

from harness import INTERFACE, NAME, OBJECT

from pipelined import ERROR, METHOD_RETURN, call, read_message

SIGNAL = 4  # the type of such a message
ANSWER_SECONDS = 60
ADD_MATCH = ("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "AddMatch", "s")


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
        self.answer()

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

    def ask_rank(self, limit, recent):
        self.send(NAME, OBJECT, INTERFACE, "GetProcessRank", "uu", body=struct.pack("<II", limit, recent))

    def time_rank(self, limit, recent):
        """Seconds from the call to the end of its answer."""
        begin = time.perf_counter()
        self.ask_rank(limit, recent)
        self.answer()
        return time.perf_counter() - begin

    def subscribe(self):
        rule = f"type='signal',interface='{INTERFACE}'".encode()
        self.send(*ADD_MATCH, body=struct.pack("<I", len(rule)) + rule + b"\0")
        self.answer()

    def close(self):
        self.stream.close()
        self.socket.close()
