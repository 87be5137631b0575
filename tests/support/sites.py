"""Real sites on loopback: Debian's documentation packages behind a real nginx.

Used by tests/e2e and bench/. What a page must hold is computed elsewhere, from the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.downloads import debian_package
from tests.support.nginx import Nginx

_FOLDERS = {
    "postgresql-doc-15": "usr/share/doc/postgresql-doc-15/html",
    "python3.11-doc": "usr/share/doc/python3.11/html",
    "aspectj-doc": "usr/share/doc/aspectj",
    "debian-reference-ja": "usr/share/debian-reference",
    "debian-faq-zh-cn": "usr/share/doc/debian/FAQ/zh-cn",
    "zsh-doc": "usr/share/doc/zsh-common/html",
}


@dataclass(frozen=True)
class Site:
    """One package's pages. `base` ends with a slash; `folder` is what it serves."""

    package: str
    base: str
    folder: Path
    server: Nginx

    def pages(self) -> list[str]:
        """Paths of all HTML files relative to the base, sorted."""
        found = (file.relative_to(self.folder) for file in self.folder.rglob("*.htm*"))
        return sorted(str(path) for path in found if path.suffix in (".html", ".htm"))

    def url(self, page: str) -> str:
        """The URL of a page by its path."""
        return self.base + page


@contextmanager
def serving(*packages: str) -> Iterator[dict[str, Site]]:
    """Sites by package name, until the context ends."""
    folders = {package: debian_package(package) / _FOLDERS[package] for package in packages}
    with TemporaryDirectory(prefix="windlass-nginx-") as run:
        server = Nginx(folders, Path(run))
        try:
            yield {
                package: Site(package, server.url(package), folder, server)
                for package, folder in folders.items()
            }
        finally:
            server.stop()


def all_packages() -> tuple[str, ...]:
    """Every package that `serving` knows."""
    return tuple(_FOLDERS)
