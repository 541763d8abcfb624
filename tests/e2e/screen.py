# SPDX-License-Identifier: MIT
"""A screen that nobody looks at: Xvfb, without a window manager; what is on it, and what its windows are called, by
libX11, which is there where GTK is."""

import contextlib
import ctypes
import os
import pathlib
import struct
import subprocess
import tempfile
import zlib

ANY_PROPERTY_TYPE, PROP_MODE_REPLACE, XA_ATOM = 0, 0, 4  # X11/X.h, X11/Xatom.h
CLIENT_MESSAGE = 33
WINDOW = ctypes.c_ulong


class ClientMessage(ctypes.Structure):
    """XClientMessageEvent of X11/Xlib.h, as large as any event."""
    _fields_ = [("type", ctypes.c_int), ("serial", ctypes.c_ulong), ("send_event", ctypes.c_int),
                ("display", ctypes.c_void_p), ("window", WINDOW), ("message_type", WINDOW), ("format", ctypes.c_int),
                ("data", ctypes.c_long * 5), ("rest", ctypes.c_long * 24)]


class Picture:
    """What is on the screen."""

    def __init__(self, path):
        """As xwd(1) writes it, see X11/XWDFile.h."""
        data = path.read_bytes()
        header = struct.unpack(">25I", data[:100])
        self.width, height, stride = header[4], header[5], header[12]
        begin = header[0] + header[19] * 12
        self.rows = [data[begin + y * stride:begin + y * stride + 4 * self.width] for y in range(height)]

    def rows_with(self, red, green, blue):
        """How many rows have a pixel of just that colour."""
        pixel = bytes((blue, green, red))
        return sum(any(row[x:x + 3] == pixel for x in range(0, len(row), 4)) for row in self.rows)

    def write_png(self, path, width, height):
        """Its upper left part."""
        raw = b"".join(b"\0" + bytes(row[x + i] for x in range(0, 4 * width, 4) for i in (2, 1, 0))
                       for row in self.rows[:height])
        chunks = ((b"IHDR", struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)), (b"IDAT", zlib.compress(raw, 9)),
                  (b"IEND", b""))
        pathlib.Path(path).write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in chunks))


class Screen:
    def __init__(self, directory, display):
        self.directory, self.display = pathlib.Path(directory), display
        self.x11 = ctypes.CDLL("libX11.so.6")
        self.x11.XOpenDisplay.restype = ctypes.c_void_p
        self.x11.XDefaultRootWindow.restype = self.x11.XInternAtom.restype = ctypes.c_ulong
        self.connection = ctypes.c_void_p(self.x11.XOpenDisplay(display.encode()))
        assert self.connection, f"no display {display}"
        # windows come and go while they are asked
        self.ignore = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 0)
        self.x11.XSetErrorHandler(self.ignore)

    def picture(self):
        return Picture(self.directory / "Xvfb_screen0")

    def atom(self, name):
        return WINDOW(self.x11.XInternAtom(self.connection, name.encode(), 0))

    def windows(self):
        root, parent, children, n = WINDOW(), WINDOW(), ctypes.POINTER(WINDOW)(), ctypes.c_uint()
        self.x11.XQueryTree(self.connection, WINDOW(self.x11.XDefaultRootWindow(self.connection)), ctypes.byref(root),
                            ctypes.byref(parent), ctypes.byref(children), ctypes.byref(n))
        found = [children[i] for i in range(n.value)]
        if children:
            self.x11.XFree(children)
        return found

    def title(self, window):
        kind, form, n, left = WINDOW(), ctypes.c_int(), WINDOW(), WINDOW()
        data = ctypes.POINTER(ctypes.c_char)()
        self.x11.XGetWindowProperty(self.connection, WINDOW(window), self.atom("_NET_WM_NAME"), ctypes.c_long(0),
                                    ctypes.c_long(256), 0, WINDOW(ANY_PROPERTY_TYPE), ctypes.byref(kind),
                                    ctypes.byref(form), ctypes.byref(n), ctypes.byref(left), ctypes.byref(data))
        text = data[:n.value].decode() if data else ""
        if data:
            self.x11.XFree(data)
        return text

    def titles(self):
        return {window: title for window in self.windows() if (title := self.title(window))}

    def move(self, window, x, y):
        self.x11.XMoveWindow(self.connection, WINDOW(window), x, y)
        self.x11.XFlush(self.connection)

    def minimize(self, window, is_minimized):
        """What a window manager tells a window."""
        states = (WINDOW * 1)(self.atom("_NET_WM_STATE_HIDDEN").value)
        self.x11.XChangeProperty(self.connection, WINDOW(window), self.atom("_NET_WM_STATE"), WINDOW(XA_ATOM), 32,
                                 PROP_MODE_REPLACE, states, int(is_minimized))
        self.x11.XFlush(self.connection)


    def close(self, window):
        """As a window manager does on behalf of its user."""
        event = ClientMessage(CLIENT_MESSAGE, 0, 1, None, window, self.atom("WM_PROTOCOLS").value, 32,
                              (ctypes.c_long * 5)(self.atom("WM_DELETE_WINDOW").value))
        self.x11.XSendEvent(self.connection, WINDOW(window), 0, ctypes.c_long(0), ctypes.byref(event))
        self.x11.XFlush(self.connection)


@contextlib.contextmanager
def screen(width, height):
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        reader, writer = os.pipe()
        server = subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-fbdir", directory, "-nolisten", "tcp",
                                   "-screen", "0", f"{width}x{height}x24"], pass_fds=[writer],
                                  stderr=subprocess.DEVNULL)
        os.close(writer)
        try:
            with os.fdopen(reader) as stream:
                number = stream.readline().strip()
            assert number, "Xvfb did not start"
            shown = Screen(directory, f":{number}")
            yield shown
            shown.x11.XCloseDisplay(shown.connection)
        finally:
            server.terminate()
            server.wait()
