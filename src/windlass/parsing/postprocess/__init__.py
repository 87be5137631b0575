"""Post-processors (contract 7.8.4): one function each from a value to a value, reached by name.

Used by parsing/extractors.py. To add one: its Spec in model/recipe.py, a PostProcess in a file
here, a line in POST_PROCESSORS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from windlass.registry import Registry

if TYPE_CHECKING:
    from windlass.model.recipe import PostProcessor, Spec, Steps
    from windlass.parsing.faults import Spot

Value = Any
"""JSON as Python has it: None, bool, int, float, str, list, dict. Also what comes out."""


class Setting(Protocol):
    """What a post-processor may know of the page. Each is worked out when first asked for."""

    @property
    def base(self) -> str:
        """What references on the page are relative to, <base> honoured."""

    @property
    def language(self) -> str:
        """BCP 47 tag that the page claims for itself, "" if none."""

    @property
    def now(self) -> datetime:
        """The moment of reading, aware, UTC: one for a whole page."""

    def spend(self, values: int) -> None:
        """Counts work that is no matter of a moment, about 0.5 µs a value."""

    def give(self, text: str) -> str:
        """The text, counted: to be told of what is longer than what came in."""


Apply = Callable[[Value, Setting], Value]
"""May raise ValueError, ArithmeticError or LookupError: that value is then null."""


@dataclass(frozen=True)
class PostProcess:
    """One post-processor.

    `compile(spec, spot)` notes at the spot what is wrong with the spec, `spot / "regex"` for its
    field of that name, and then still returns something; what it returns is called once per value.
    It runs in the API as well, to refuse wrong recipes: import heavy libraries in Apply only.

    Without `sees_null` null stays null without a call. Without `whole` a list is processed item by
    item.
    """

    compile: Callable[[Any, Spot], Apply]
    sees_null: bool = False
    whole: bool = False


POST_PROCESSORS: Registry[PostProcess] = Registry(
    "post-processor",
    {
        "url": "windlass.parsing.postprocess.urls:URL",
        "regex": "windlass.parsing.postprocess.texts:REGEX",
        "format": "windlass.parsing.postprocess.texts:FORMAT",
        "date": "windlass.parsing.postprocess.dates:DATE",
        "boolean": "windlass.parsing.postprocess.booleans:BOOLEAN",
        "number": "windlass.parsing.postprocess.numbers:NUMBER",
        "country": "windlass.parsing.postprocess.countries:COUNTRY",
        "sequence": "windlass.parsing.postprocess:SEQUENCE",
        "string": "windlass.parsing.postprocess.texts:STRING",
        "trim": "windlass.parsing.postprocess.texts:TRIM",
        "lowercase": "windlass.parsing.postprocess.texts:LOWERCASE",
        "uppercase": "windlass.parsing.postprocess.texts:UPPERCASE",
    },
)


def compile_post(spec: PostProcessor, spot: Spot) -> Apply:
    """The whole of a post-processor: what comes out never raises."""
    if spot.overdue:
        return lambda value, setting: value
    member = POST_PROCESSORS.get(type_of(spec))
    apply = member.compile(spec, spot)
    sees_null, whole = member.sees_null, member.whole

    def process(value: Value, setting: Setting) -> Value:
        if value is None and not sees_null:
            return None
        if isinstance(value, list) and not whole:
            return [process(item, setting) for item in value]
        try:
            return apply(value, setting)
        except (ValueError, ArithmeticError, LookupError):
            return None

    return process


def type_of(spec: Spec) -> str:
    """The name that recipes have for a node of this class."""
    return str(spec.__struct_config__.tag)


def _compile_sequence(spec: Steps, spot: Spot) -> Apply:
    steps = [
        compile_post(step, spot / "sequence" / number) for number, step in enumerate(spec.sequence)
    ]

    def apply(value: Value, setting: Setting) -> Value:
        for step in steps:
            value = step(value, setting)
        return value

    return apply


SEQUENCE = PostProcess(_compile_sequence, sees_null=True, whole=True)
