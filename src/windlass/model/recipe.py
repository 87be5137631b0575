"""Recipe: the parsing-schema language of contract 7.8 as tagged unions.

Read from callers' JSON by parsing/reading.py, which also resolves its shorthands; stored with the
task, compiled in page-reading processes. It must stay readable by later versions: only add fields,
with defaults.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta


class Spec(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, tag_field="type"):
    """One node of a recipe. Its `type` is the tag of its class."""


# --------------------------------------------------------------------- post-processors (7.8.4)


class Url(Spec, frozen=True, tag="url"):
    """Makes a reference absolute, as the page itself would."""


class Regex(Spec, frozen=True, tag="regex"):
    """The group of the first match."""

    regex: str
    group: int | str = 0


class Format(Spec, frozen=True, tag="format"):
    """Text around the value, which stands as `{data}`."""

    format: str


class Date(Spec, frozen=True, tag="date"):
    """A moment in time as text; `format` as in strftime, ISO 8601 if it is empty.

    `locale` is ours, not the vendor's: the language of the text if the page does not tell.
    """

    format: str = ""
    locale: str = ""


class Boolean(Spec, frozen=True, tag="boolean"):
    """Whether the value contains a text, is there at all, or matches an expression."""

    condition: Literal["contains", "exists", "regex"]
    contains: str | None = None
    regex: str | None = None
    negate: bool = msgspec.field(name="not", default=False)


class Number(Spec, frozen=True, tag="number"):
    """The number that a text tells."""

    locale: str = ""
    force_type: Literal["int", "float", ""] = ""


class Country(Spec, frozen=True, tag="country"):
    """The ISO 3166 code of a country that is named."""


class Steps(Spec, frozen=True, tag="sequence"):
    """Several, from left to right."""

    sequence: tuple[PostProcessor, ...]


class Text(Spec, frozen=True, tag="string"):
    """The value as text."""


class Trim(Spec, frozen=True, tag="trim"):
    """Text without white space around it."""


class Lowercase(Spec, frozen=True, tag="lowercase"):
    """Text in lower case."""


class Uppercase(Spec, frozen=True, tag="uppercase"):
    """Text in upper case."""


PostProcessor = (
    Url
    | Regex
    | Format
    | Date
    | Boolean
    | Number
    | Country
    | Steps
    | Text
    | Trim
    | Lowercase
    | Uppercase
)


# --------------------------------------------------------------------- extractors (7.8.3)


class TextOf(Spec, frozen=True, tag="text"):
    """The text of an element and all in it."""

    strip: bool = True
    separator: str | None = None
    regex: str | None = None
    post_processor: PostProcessor | None = None


class AttrOf(Spec, frozen=True, tag="attr"):
    """An attribute's value."""

    attr: str
    post_processor: PostProcessor | None = None


class JsonOf(Spec, frozen=True, tag="json"):
    """What an element says in JSON, or what a path finds in it."""

    path: str | None = None
    post_processor: PostProcessor | None = None


class RawOf(Spec, frozen=True, tag="raw"):
    """The element as it is: JSON stays JSON, an HTML element is its outer HTML."""

    post_processor: PostProcessor | None = None


class TableOf(Spec, frozen=True, tag="table"):
    """A table as `{"caption", "columns", "rows"}`, spans written out. Ours, not the vendor's."""

    post_processor: PostProcessor | None = None


class MainContentOf(Spec, frozen=True, tag="main_content"):
    """The main content of the whole page, as the formats give it. Ours, not the vendor's."""

    format: Literal["text", "markdown"] = "text"
    post_processor: PostProcessor | None = None


Extractor = TextOf | AttrOf | JsonOf | RawOf | TableOf | MainContentOf


# --------------------------------------------------------------------- selectors (7.8.2)


class Css(Spec, frozen=True, tag="css"):
    """Elements by a CSS selector as soupsieve reads it."""

    css_selector: str


class XPath(Spec, frozen=True, tag="xpath"):
    """Elements by XPath 1.0."""

    path: str


class Json(Spec, frozen=True, tag="json"):
    """Values by JSONPath in what the element says in JSON."""

    path: str
    coercion_filter: str | None = None


class Chain(Spec, frozen=True, tag="sequence"):
    """Each selector runs on every element of the one before."""

    sequence: tuple[Selector, ...]


class Parent(Spec, frozen=True, tag="parent"):
    """What the element is in, so many levels up."""

    times: Annotated[int, Meta(ge=1, le=1000)] = 1


class Root(Spec, frozen=True, tag="root"):
    """The whole document with the calls that its page made (7.8.6)."""


class FirstOf(Spec, frozen=True, tag="or"):
    """The first selector that finds anything."""

    selectors: tuple[Selector, ...]


Selector = Css | XPath | Json | Chain | Parent | Root | FirstOf


# --------------------------------------------------------------------- parsers (7.8.1)


class Position(msgspec.Struct, frozen=True, omit_defaults=True):
    """A field that numbers the objects of a list."""

    field_name: str
    start_from: int = 0


class Terminal(Spec, frozen=True, tag="terminal"):
    """One value, of the first element."""

    selector: Selector | None = None
    extractor: Extractor = RawOf()


class TerminalList(Spec, frozen=True, tag="terminal_list"):
    """A value of every element, nulls left out."""

    selector: Selector | None = None
    extractor: Extractor = RawOf()


class Schema(Spec, frozen=True, kw_only=True, tag="schema"):
    """An object whose fields are read relative to the first element."""

    selector: Selector | None = None
    fields: dict[str, Parser]


class SchemaList(Spec, frozen=True, kw_only=True, tag="schema_list"):
    """An object of every element."""

    selector: Selector | None = None
    fields: dict[str, Parser]
    position: Position | None = None


class Or(Spec, frozen=True, tag="or"):
    """The first parser that finds anything."""

    parsers: tuple[Parser, ...]


class And(Spec, frozen=True, tag="and"):
    """All objects in one; where keys clash the first value that is not null wins."""

    parsers: tuple[Parser, ...]


class Const(Spec, frozen=True, tag="const"):
    """A value that does not depend on the page."""

    value: Any


Parser = Terminal | TerminalList | Schema | SchemaList | Or | And | Const


class Recipe(msgspec.Struct, frozen=True):
    """A recipe that is known to be right. `text` is its canonical JSON, shorthands resolved."""

    parser: Parser
    text: str
