"""What `windlass serve` prints once it is ready: everything a first call needs.

On stdout, not in the log: it shows the API key, as the operator is the one who starts servers.
"""

from __future__ import annotations

from windlass import __version__
from windlass.server.credentials import key_file
from windlass.settings import Settings

_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104


def base_url(host: str, port: int) -> str:
    """The URL at which this machine reaches a server that listens on `host` and `port`."""
    shown = "127.0.0.1" if host in _EVERYWHERE else host
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def api_banner(settings: Settings, url: str, key: str) -> str:
    """URL, key, a curl line and a snippet for the SDK that work as pasted."""
    kept = "from WINDLASS_API_KEY" if settings.api_key else f"kept in {key_file(settings)}"
    return f"""\
Windlass {__version__} is ready at {url}
API key: {key}
         ({kept}; Ctrl-C stops the server)

From a shell:

curl -s {url}/v1/extract -H 'Authorization: Bearer {key}' -H 'Content-Type: application/json' \
-d '{{"url": "https://example.com", "formats": ["markdown"]}}'

From Python (pip install nimble_python==0.24.0):

from nimble_python import Nimble

client = Nimble(api_key="{key}", base_url="{url}")
page = client.extract(url="https://example.com", formats=["markdown"])
print(page.data.markdown)
"""


def worker_banner(workers: int) -> str:
    """For a machine that only works."""
    return f"Windlass {__version__} works on tasks of the shared database ({workers} processes)\n"
