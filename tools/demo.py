"""`make demo`: a small site and a server on loopback, a few calls of the vendor's SDK, then yours.

Everything lives in a temporary folder and ends with Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path

from nimble_python import Nimble

from tests.support.origin import Origin
from tests.support.server import WindlassServer, running

POLL_S = 0.1


def main() -> None:
    """Shows a synchronous and an asynchronous extraction, then waits."""
    site = Origin()
    try:
        with (
            tempfile.TemporaryDirectory(prefix="windlass-demo-") as folder,
            running(Path(folder) / "data", workers=2, log_format="console") as server,
        ):
            say(f"site    {site.page('one')}")
            say(f"server  {server.url}   docs {server.url}/docs")
            say(f"key     {server.api_key}\n")
            show(server, site)
            say("\nCtrl-C ends it. Try, from another terminal:\n")
            say(f"  export WINDLASS_URL={server.url} WINDLASS_API_KEY={server.api_key}")
            say(f"  .venv/bin/windlass extract {site.page('two')} --format markdown --format links")
            say("  .venv/bin/windlass tasks list")
            wait_for_ctrl_c()
    finally:
        site.close()


def show(server: WindlassServer, site: Origin) -> None:
    """The two ways to extract, through the SDK as its vendor publishes it."""
    with Nimble(base_url=server.url, api_key=server.api_key) as client:
        say("client.extract(url=…, formats=['markdown'])")
        page = client.extract(url=site.page("now"), formats=["markdown"])
        say(indented(str(page.data.markdown)))
        say("client.extract_async(url=…), client.tasks.get(…), client.tasks.results(…)")
        task_id = client.extract_async(url=site.page("later"), formats=["links"]).task_id
        while (state := client.tasks.get(task_id).task.state) not in ("success", "error"):
            say(indented(state))
            time.sleep(POLL_S)
        say(indented(state))
        say(indented(str(client.tasks.results(task_id)["data"])))


def indented(text: str) -> str:
    """The text, set off from ours."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def say(text: str) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def wait_for_ctrl_c() -> None:
    """Returns at SIGINT or SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    main()
