"""Formats: functions Page → value. One file per format; reached by name through FORMATS.

Formats that need the parsed tree run inside a page-reading process (html/), the others in the
worker itself.
"""

from __future__ import annotations

from windlass.registry import Registry
