"""The examples of the README and the guides do what they say, against a real server.

https://example.com and https://shop.example stand for a site of the test there, and
http://127.0.0.1:8700 for the server; the rest is run as it is written.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.documents import LANGUAGES, ROOT, Snippet, documents, snippets
from tests.support.origin import Origin
from tests.support.server import LOOPBACK, WindlassServer, running

LIMIT_S = 60.0
_MARK = "-- snippet"
_WITH_SNIPPETS = [
    (path, language)
    for path in documents()
    for language in LANGUAGES
    if any(snippet.language == language for snippet in snippets(path))
]


@dataclass(frozen=True)
class Home:
    """The home directory of somebody who has followed the README, and what is reachable there."""

    folder: Path
    server: WindlassServer
    site: Origin

    def adapted(self, text: str) -> str:
        """A snippet with its imaginary addresses replaced by those of this test."""
        text = text.replace("http://127.0.0.1:8700", self.server.url)
        text = re.sub(r"https://example\.com(?=[\"'\s])", self.site.page("home"), text)
        return text.replace("https://example.com", self.site.base).replace(
            "https://shop.example", self.site.base
        )

    def environment(self) -> dict[str, str]:
        """What the reader's shell has; the guides say to set the last three."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("WINDLASS_", "NIMBLE_"))}
        programs = str(Path(sys.executable).parent)
        return kept | {
            "HOME": str(self.folder),
            "PATH": f"{programs}:{kept['PATH']}",
            "WINDLASS_URL": self.server.url,
            "NIMBLE_BASE_URL": self.server.url,
            "NIMBLE_API_KEY": self.server.api_key,
            # What stands for the examples' sites is on loopback; some commands fetch by themselves.
            "WINDLASS_ALLOW_ADDRESSES": LOOPBACK,
        }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("home")
    site = Origin()
    try:
        with running(folder / ".local" / "share" / "windlass", log_format="json") as server:
            yield Home(folder, server, site)
    finally:
        site.close()


@pytest.mark.parametrize(
    ("path", "language"),
    _WITH_SNIPPETS,
    ids=[f"{path.relative_to(ROOT)}-{language}" for path, language in _WITH_SNIPPETS],
)
def test_examples_run_and_print_what_they_show(home: Home, path: Path, language: str) -> None:
    wanted = [snippet for snippet in snippets(path) if snippet.language == language]
    run = _run(home, language, [home.adapted(snippet.text) for snippet in wanted])
    printed = re.split(rf"^{_MARK} \d+$", run.stdout, flags=re.MULTILINE)[1:]
    assert run.returncode == 0, f"{_last(wanted, printed)}\n{run.stdout}\n{run.stderr}"
    for snippet, text in zip(wanted, printed, strict=True):
        _expect(snippet, [home.adapted(f"{line}\n").strip() for line in snippet.output], text)


def _run(home: Home, language: str, texts: list[str]) -> subprocess.CompletedProcess[str]:
    """All snippets of a document as one program: later ones build on earlier ones."""
    if language == "sh":
        command = ["bash", "-euo", "pipefail", "-s"]
        parts = [f"echo; echo '{_MARK} {n}'\n{text}" for n, text in enumerate(texts)]
    else:
        command = [sys.executable, "-"]
        parts = [f"print('\\n{_MARK} {n}', flush=True)\n{text}" for n, text in enumerate(texts)]
    return subprocess.run(
        command,
        input="\n".join(parts),
        capture_output=True,
        text=True,
        env=home.environment(),
        cwd=home.folder,
        timeout=LIMIT_S,
        check=False,
    )


def _last(wanted: list[Snippet], printed: list[str]) -> str:
    last = wanted[max(len(printed), 1) - 1]
    return f"{last.document}:{last.line} failed"


def _expect(snippet: Snippet, shown: list[str], printed: str) -> None:
    """Every line that the document shows stands in the output, in that order."""
    lines = iter(printed.splitlines())
    for line in shown:
        assert any(line == other.strip() for other in lines), (
            f"{snippet.document}:{snippet.line} does not print {line!r}:\n{printed}"
        )


def test_shell_examples_meet_no_error_that_they_do_not_show(home: Home) -> None:
    """curl succeeds whatever the server says, so look at what the examples' answers say."""
    (guide,) = [path for path in documents() if path.name == "extract.md"]
    texts = [home.adapted(one.text) for one in snippets(guide) if one.language == "sh"]
    run = _run(home, "sh", texts)
    refused = [text for text in run.stdout.split(f"{_MARK} ") if '"error_code":"invalid_' in text]
    assert len(refused) == 1, "only the example of a wrong request is refused"
    assert '"error_code":"unauthorized"' not in run.stdout
    assert '"error_code":"internal_error"' not in run.stdout
    assert '"partial":true' in run.stdout
    assert "country=DE requested, no matching proxy" in run.stdout
