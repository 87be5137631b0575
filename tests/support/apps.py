"""JavaScript applications that others wrote, from npm, served on loopback as their users would."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.downloads import npm_package

_INDEX = """<!doctype html><html><head><meta charset="utf-8"><title>API</title>
<link rel="stylesheet" href="ui/swagger-ui.css"></head><body><div id="swagger-ui"></div>
<script src="ui/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({url: 'api/petstore.json', dom_id: '#swagger-ui', validatorUrl: null});
</script>
</body></html>"""


@contextmanager
def swagger_ui(folder: Path) -> Iterator[str]:
    """The address of Swagger UI with a real description of an API; without scripts it is empty."""
    shutil.copytree(
        npm_package("swagger-ui-dist", "5.17.14") / "swagger-ui-dist",
        folder / "ui",
        ignore=shutil.ignore_patterns("*.map", "*es-bundle*"),
    )
    examples = npm_package("@readme/oas-examples", "5.12.0") / "@readme" / "oas-examples"
    (folder / "api").mkdir()
    petstore = json.loads((examples / "3.0" / "json" / "petstore.json").read_text())
    (folder / "api" / "petstore.json").write_text(json.dumps(petstore))
    (folder / "index.html").write_text(_INDEX)
    with _served(folder) as base:
        yield base + "/"


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Nothing to say."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A browser that goes away in the middle of an answer is no news."""

    server = Server(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
