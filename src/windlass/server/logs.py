"""Log lines on stderr: JSON for machines, readable on a terminal, never a secret.

Configured once per process by the server and the command line; libraries that log through the
standard module come out the same way.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from windlass.settings import Settings

HIDDEN = "[hidden]"

_SECRET_NAMES = re.compile(
    r"(api_?key|authorization|password|passwd|secret|token|cookie|credential|dsn|signature)",
    re.IGNORECASE,
)
_SECRET_TEXTS = re.compile(
    r"wl_[A-Za-z0-9_-]{16,}"
    r"|(?<=://)[^/@\s'\"]+(?=@)"
    r"|(?i:(?<=bearer )[^\s'\"]+)"
)
_CHATTY = {
    "uvicorn": logging.WARNING,
    "pgqueuer": logging.WARNING,
    "asyncio": logging.WARNING,
    "aiohttp": logging.WARNING,
    # Warns with a traceback for every pooled connection that a restart of PostgreSQL ends.
    "asyncpg": logging.ERROR,
}
_LINE_LIMIT = 16_000
"""Characters of one text in a log line: a traceback of a page's bytes must not fill the disk."""


def configure(settings: Settings, role: str) -> None:
    """Sends this process's logs to stderr. `role` marks its lines: supervisor, api, worker 1, …"""
    json_lines = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _marking(role),
        structlog.processors.format_exc_info,
        hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, _renderer(json_lines)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=_renderer(json_lines),
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name, least in _CHATTY.items():
        logging.getLogger(name).setLevel(max(level, least))


def hide_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces values under telling names and secrets inside texts; cuts endless texts."""
    for name, value in event.items():
        if name.startswith("_"):
            continue  # the standard module's own
        if name != "event" and _SECRET_NAMES.search(name):
            event[name] = HIDDEN
        elif isinstance(value, str):
            event[name] = clean(value)
        elif not isinstance(value, int | float | None):
            event[name] = clean(repr(value))
    return event


def clean(text: str) -> str:
    """The text with keys, bearer tokens and the passwords of URLs replaced."""
    return _SECRET_TEXTS.sub(HIDDEN, text[:_LINE_LIMIT])


def _marking(role: str) -> Processor:
    def mark(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("role", role)
        return event

    return mark


def _renderer(json_lines: bool) -> Processor:
    if json_lines:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
