"""A real nginx on loopback that serves folders, one port each. Used by sites.py and bench/.

Takes the machine's nginx, or unpacks Debian's into the cache: installing the package would start
a public server on port 80.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.downloads import debian_package
from tests.support.loopback import accepts, free_port
from tests.support.processes import tree
from tests.support.waiting import eventually

_CONFIG = """
{user}
daemon off;
worker_processes 1;
error_log {run}/error.log warn;
pid {run}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    types {{
        text/html html htm shtml xhtml;
        text/css css;
        text/plain txt;
        text/xml xml;
        application/javascript js;
        application/pdf pdf;
        image/png png;
        image/gif gif;
        image/jpeg jpg jpeg;
        image/svg+xml svg;
        application/gzip gz;
    }}
    default_type application/octet-stream;
    access_log off;
    keepalive_requests 100000;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {run}/body;
    proxy_temp_path {run}/proxy;
    fastcgi_temp_path {run}/fastcgi;
    uwsgi_temp_path {run}/uwsgi;
    scgi_temp_path {run}/scgi;
{servers}
}}
"""

_SERVER = """
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        root "{root}";
        index index.html;
    }}
"""


def nginx_binary() -> str:
    """Path of an nginx that runs here."""
    found = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    return found or str(debian_package("nginx") / "usr/sbin/nginx")


class Nginx:
    """One nginx process for several folders. `stop` ends it; its folder `run` holds its files."""

    def __init__(self, roots: dict[str, Path], run: Path) -> None:
        self._run = run
        self.ports = {name: free_port() for name in roots}
        servers = "".join(
            _SERVER.format(port=self.ports[name], root=root) for name, root in roots.items()
        )
        user = "user root root;" if os.geteuid() == 0 else ""
        config = run / "nginx.conf"
        config.write_text(_CONFIG.format(user=user, run=run, servers=servers))
        command = [nginx_binary(), "-e", str(run / "error.log"), "-c", str(config), "-p", str(run)]
        self._process = subprocess.Popen(command)
        try:
            eventually(self._ready, "nginx listens", despite=(OSError,))
        except BaseException:
            self.stop()
            raise

    def _ready(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"nginx ended: {(self._run / 'error.log').read_text()}")
        return all(accepts("127.0.0.1", port) for port in self.ports.values())

    def pids(self) -> list[int]:
        """The master and its worker."""
        return [process.pid for process in tree(self._process.pid)]

    def url(self, name: str) -> str:
        """Base URL of a folder, with a slash at its end."""
        return f"http://127.0.0.1:{self.ports[name]}/"

    def stop(self) -> None:
        """Ends the process and waits for it."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=10)
