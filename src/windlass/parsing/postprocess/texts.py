"""Post-processors that make texts of values: regex, format, string, trim, lowercase, uppercase.

What is no text is taken as its JSON, as the text extractor takes it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from string import Formatter

import msgspec

from windlass.model.recipe import Format, Regex, Spec
from windlass.parsing.faults import Spot
from windlass.parsing.patterns import Expression, compile_pattern
from windlass.parsing.postprocess import Apply, PostProcess, Setting, Value

MAX_TEXT = 1_000_000
"""Characters that a text around a value may have."""
MAX_FIELDS = 100
"""Times that a format may take its value."""
_SEARCHED = 1_000
"""Characters that are searched in about the time of meeting one value."""

_PRESENTATION = re.compile(
    r"(?:.?[<>=^])?[-+ ]?z?#?0?(?P<width>\d{1,5})?[,_]?(?:\.(?P<precision>\d{1,5}))?"
    r"[bcdeEfFgGnosxX%]?",
    re.DOTALL,
)
_WIDEST = 1_000
"""Characters that a number or text may be padded to, or digits behind its point."""


def as_text(value: Value) -> str:
    """The value as text; what is none, as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


# --------------------------------------------------------------------- regex


def _regex(spec: Regex, spot: Spot) -> Apply:
    expression = compile_pattern(spec.regex, spot / "regex")
    group = spec.group
    if not _has_group(expression, group):
        names = [*range(expression.groups + 1), *expression.groupindex]
        accepted = ", ".join(map(str, names))
        message = f"must be equal to one of the allowed values, the groups of the regex: {accepted}"
        spot = spot / "group"
        spot.wrong(message, "enum", {"allowedValues": names})
        group = 0

    def apply(value: Value, setting: Setting) -> Value:
        text = as_text(value)
        setting.spend(len(text) // _SEARCHED)
        found = expression.search(text)
        return None if found is None else found.group(group)

    return apply


def _has_group(expression: Expression, group: int | str) -> bool:
    if isinstance(group, str):
        return group in expression.groupindex
    return 0 <= group <= expression.groups


REGEX = PostProcess(_regex)


# --------------------------------------------------------------------- format


def _format(spec: Format, spot: Spot) -> Apply:
    template = spec.format
    times = _times(template, spot / "format")

    def apply(value: Value, setting: Setting) -> Value:
        shown = value if _number(value) else as_text(value)
        if times * len(str(shown)) + len(template) > MAX_TEXT:
            return None
        return setting.give(template.format(data=shown))

    return apply


def _number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _times(template: str, spot: Spot) -> int:
    """How often a format takes its value. Notes what is wrong with it."""
    try:
        fields = [field[1:] for field in Formatter().parse(template) if field[1] is not None]
    except ValueError as error:
        spot.wrong(f"must be a format with {{data}}: {error}", "format", {"format": "format"})
        return 0
    for name, presentation, conversion in fields:
        if wrong := _field_fault(name, presentation or "", conversion):
            message = (
                f"{wrong}; accepted: {{data}} and {{data:spec}}, the spec as in Python, "
                f"at most {_WIDEST} wide, and {{{{ and }}}} for braces"
            )
            spot.wrong(message, "format", {"format": "format"})
            return 0
    if len(fields) > MAX_FIELDS:
        spot.wrong(f"must NOT take {{data}} more than {MAX_FIELDS} times", "maxItems")
    return len(fields)


def _field_fault(name: str | None, presentation: str, conversion: str | None) -> str:
    if name != "data":
        return f"must NOT have the field {{{(name or '')[:64]}}}"
    if conversion:
        return f"must NOT have the conversion !{conversion}"
    found = _PRESENTATION.fullmatch(presentation)
    if found is None:
        return f"must NOT have the format spec {presentation[:64]!r}"
    if max(int(digits or 0) for digits in found.groups()) > _WIDEST:
        return f"must NOT be wider than {_WIDEST}"
    return ""


FORMAT = PostProcess(_format)


# --------------------------------------------------------------------- the plain ones


def _plain(change: Callable[[str], str]) -> PostProcess:
    def apply(value: Value, setting: Setting) -> Value:
        text = as_text(value)
        changed = change(text)
        if len(changed) > len(text) or not isinstance(value, str):
            setting.give(changed)
        return changed

    def compiled(spec: Spec, spot: Spot) -> Apply:
        return apply

    return PostProcess(compiled)


def _same(text: str) -> str:
    return text


STRING = _plain(_same)
TRIM = _plain(str.strip)
LOWERCASE = _plain(str.lower)
UPPERCASE = _plain(str.upper)
