# SPDX-License-Identifier: MIT
"""nginx, with a file to be asked for."""

import contextlib
import os
import pathlib
import tempfile

from harness import until

NGINX = """daemon off; worker_processes 2; pid {0}/pid; error_log stderr; events {{}}
http {{ access_log off; keepalive_timeout 0; client_body_temp_path {0}/a; proxy_temp_path {0}/b;
fastcgi_temp_path {0}/c; uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;
server {{ listen 80; listen [::]:80; root {0}; }} }}"""


@contextlib.contextmanager
def nginx(host, size):
    """A master and two workers that share its listening socket; gives their pids, the master's first."""
    with tempfile.TemporaryDirectory(prefix="netflowd-") as directory:
        os.chmod(directory, 0o755)
        pathlib.Path(directory, "conf").write_text("user root; " + NGINX.format(directory), encoding="utf-8")
        pathlib.Path(directory, "file").write_bytes(b"x" * size)
        with host.start(["nginx", "-c", f"{directory}/conf"]) as master:
            until(lambda: host.sh("ss -Htln sport = 80").strip(), "a listener")
            children = f"/proc/{master.pid}/task/{master.pid}/children"
            until(lambda: len(pathlib.Path(children).read_text("ascii").split()) == 2, "two workers")
            yield master.pid, *map(int, pathlib.Path(children).read_text("ascii").split())
