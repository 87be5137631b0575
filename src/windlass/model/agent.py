"""AgentDocument: a named way from parameters to fields, as JSON. Agent: one version of it.

Written by people, checked by agents/documents.py, stored as it was written. It must stay readable
by later versions: only add fields, with defaults.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Scalar = str | bool | int | float
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_Label = Annotated[str, Meta(max_length=200)]


class InputProperty(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One parameter of an agent."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")]
    type: Literal["string", "integer", "number", "boolean"] = "string"
    required: bool = False
    description: Annotated[str, Meta(max_length=2000)] = ""
    rules: Annotated[
        tuple[str, ...],
        Meta(
            max_length=20,
            description='Such as "minLength: 1", "maximum: 100", "pattern: ^[0-9]+$", '
            '"enum: a, b", "format: uri".',
        ),
    ] = ()
    examples: Annotated[tuple[Scalar, ...], Meta(max_length=20)] = ()
    default: Scalar | None = None
    is_localization_param: Annotated[
        bool, Meta(description="Only taken with localization true.")
    ] = False
    is_pagination_param: Annotated[bool, Meta(description="Asks for further pages.")] = False


class SearchSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a search agent asks the operator's search backend for."""

    engine: Annotated[str, Meta(max_length=64)] = ""


class SamplePage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A page as it was when the sample was made."""

    body: Annotated[str, Meta(max_length=2_000_000)]
    url: Annotated[str, Meta(max_length=4096)] = ""
    content_type: Annotated[str, Meta(max_length=200)] = "text/html; charset=utf-8"


class Sample(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parameters with what they bring: run again, it tells whether the site has changed."""

    params: dict[str, Any]
    localization: bool = False
    expected: Annotated[
        Any,
        Meta(description="What data.parsing holds. Fields that are left out may hold anything."),
    ] = None
    page: Annotated[
        SamplePage | None, Meta(description="The page that the recipe was written for.")
    ] = None


class AgentDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An agent. Either `url` and `parser`, a page and its recipe, or `search`.

    `url` is a template with `{name}` for a parameter, always percent-encoded, `{?a,b}` and
    `{&a,b}` for query parameters that may be absent, or `{+name}` alone for a parameter that is
    the whole URL. `extract` has options of an extract, in which `{"$param": "name"}` stands for a
    parameter's value.
    """

    name: Annotated[str, Meta(pattern=NAME)]
    display_name: _Label = ""
    description: Annotated[str, Meta(max_length=5000)] = ""
    vertical: _Label | None = None
    entity_type: _Label | None = None
    domain: _Label | None = None
    input_properties: Annotated[tuple[InputProperty, ...], Meta(max_length=100)] = ()
    url: Annotated[str, Meta(max_length=8192)] = ""
    extract: dict[str, Any] = {}
    browser_actions: Annotated[tuple[dict[str, Any], ...], Meta(max_length=1000)] = ()
    parser: Annotated[
        Any, Meta(description="The recipe, as in an extract: an object, or JSON text.")
    ] = None
    search: SearchSource | None = None
    output_schema: Annotated[
        dict[str, Any], Meta(description="JSON Schema of each field of the result.")
    ] = {}
    sample: Sample | None = None


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an agent. `text` is its document; version 0: built in."""

    document: AgentDocument
    text: bytes
    version: int = 0
    created_at: datetime | None = None

    @property
    def builtin(self) -> bool:
        """Whether it comes with Windlass, for every account."""
        return self.version == 0


class AgentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What lists show of an agent."""

    name: str
    display_name: str = ""
    description: str = ""
    vertical: str | None = None
    entity_type: str | None = None
    domain: str | None = None
    version: int = 0

    @property
    def builtin(self) -> bool:
        """See Agent."""
        return self.version == 0
