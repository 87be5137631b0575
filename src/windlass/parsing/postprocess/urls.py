"""Post-processor url: a reference of the page made absolute."""

from __future__ import annotations

from windlass.html.urls import resolve
from windlass.model.recipe import Url
from windlass.parsing.faults import Spot
from windlass.parsing.postprocess import Apply, PostProcess, Setting, Value

MAX_URL = 100_000
"""Characters of a reference; `data:` URLs may be long."""


def _apply(value: Value, setting: Setting) -> Value:
    if not isinstance(value, str) or len(value) > MAX_URL:
        return None
    found = resolve(setting.base, value.strip())
    return None if found is None else setting.give(found)


def _compile(spec: Url, spot: Spot) -> Apply:
    return _apply


URL = PostProcess(_compile)
