"""Dialect v1's runs of agents as callers write them (contract 15.1 to 15.3), read into ours.

The API makes AgentCalls of a body; agents/binding.py makes requests of those. Delivery options may
stand in `params` as well (D17): the top level wins, and no agent ever sees them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.errors import Problem
from windlass.model.delivery import DeliveryOptions
from windlass.wire import ajv
from windlass.wire.document import parse_object, refusal, unexplained
from windlass.wire.v1_body import (
    CallbackUrl,
    DeliveryFields,
    Formats,
    ShortText,
    StorageCompress,
    StorageName,
    StorageType,
    StorageUrl,
)
from windlass.wire.v1_delivery import Layer, read_delivery
from windlass.wire.v1_masking import echo
from windlass.wire.v1_options import given
from windlass.wire.v1_places import Country, Locale
from windlass.wire.v1_reading import Reading, Steps

_Name = Annotated[
    str, Meta(min_length=1, max_length=256, description="The agent.", examples=["article"])
]
_Params = Annotated[
    dict[str, Any],
    Meta(
        min_length=1,
        max_length=500,
        description="The agent's parameters; country, locale, tag and parse suit every agent. "
        "Delivery options may stand here, too.",
        examples=[{"url": "https://example.com/"}],
    ),
]
_Localization = Annotated[bool, Meta(description="Whether the parameters for localization count.")]


class AgentBody(msgspec.Struct, kw_only=True):
    """Body of a run that is waited for. Unknown fields are ignored with a warning."""

    agent: _Name
    params: _Params
    localization: _Localization = False
    formats: Formats | UnsetType = UNSET


class AsyncAgentBody(AgentBody, kw_only=True):
    """Body of a run that is not waited for: the same plus delivery."""

    callback_url: CallbackUrl | UnsetType = UNSET
    storage_type: StorageType | UnsetType = UNSET
    storage_url: StorageUrl | UnsetType = UNSET
    storage_compress: StorageCompress | UnsetType = UNSET
    storage_object_name: StorageName | UnsetType = UNSET


class AgentInput(AsyncAgentBody, kw_only=True):
    """One input of a batch: parameters go before shared ones one by one, the rest as a whole."""

    agent: _Name | UnsetType = UNSET  # type: ignore[assignment]  # nobody takes it for its base
    params: _Params | UnsetType = UNSET  # type: ignore[assignment]


class SharedAgentInput(AgentInput, kw_only=True):
    """What all inputs of a batch share."""

    agent: _Name


class AgentBatchBody(msgspec.Struct, kw_only=True):
    """Body of a batch of runs."""

    inputs: Annotated[
        list[AgentInput],
        Meta(
            min_length=1,
            description="A task each; at most 1000, or as many as WINDLASS_BATCH_LIMIT says.",
        ),
    ]
    shared_inputs: SharedAgentInput


class SharedParams(msgspec.Struct, kw_only=True):
    """The parameters that every agent takes."""

    country: Country | UnsetType = UNSET
    locale_: Locale | UnsetType = msgspec.field(name="locale", default=UNSET)
    tag_: ShortText | UnsetType = msgspec.field(name="tag", default=UNSET)
    parse: bool = True

    @classmethod
    def problems(cls, values: Mapping[str, Any]) -> list[Problem]:
        """What is wrong with such parameters."""
        try:
            msgspec.convert(_folded(values), cls)
        except msgspec.ValidationError as error:
            return ajv.problems(cls, _folded(values)) or [unexplained(str(error))]
        return []

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> SharedParams:
        """The parameters, known to be right."""
        return msgspec.convert(_folded(values), cls)

    def options(self) -> dict[str, Any]:
        """The options of an extract that they are; those that were given."""
        found = {"country": self.country, "locale": self.locale_, "tag": self.tag_}
        return {name: value for name, value in found.items() if value is not UNSET}

    @property
    def locale(self) -> str:
        """The locale, "" if none was given."""
        return given(self.locale_, "")

    @property
    def tag(self) -> str | None:
        """The tag, None if none was given."""
        return given(self.tag_, None)


SHARED_PARAMS = frozenset(("country", "locale", "tag", "parse"))


def _folded(values: Mapping[str, Any]) -> dict[str, Any]:
    country = values.get("country")
    known = {name: value for name, value in values.items() if value is not None}
    return known | {"country": country.upper()} if isinstance(country, str) else known


class AgentCall(msgspec.Struct, frozen=True, kw_only=True):
    """One run as asked for. `params` are without delivery options; `input` is what answers repeat.

    `at` is where it stands in the body; parameters other than `own` stand in `shared_at`.
    """

    agent: str
    params: dict[str, Any]
    localization: bool = False
    formats: tuple[str, ...] | None = None
    input: bytes = b""
    delivery: DeliveryOptions | None = None
    at: Steps = ()
    own: frozenset[str] | None = None
    shared_at: Steps = ()

    def where(self, name: str) -> Steps:
        """The object that a parameter stands in; "": one that is missing."""
        if self.own is None or not name or name in self.own:
            return (*self.at, "params")
        return (*self.shared_at, "params")


_OPTIONS = DeliveryFields.__struct_fields__
_KNOWN = frozenset(AsyncAgentBody.__struct_fields__)


def read_run(raw: bytes, reading: Reading, *, asynchronous: bool) -> AgentCall:
    """The run in a body. Raises InvalidRequest naming all wrong fields if it is no run; what is
    wrong with its delivery, or missing parameters, is only noted, so that it is told with what its
    agent says."""
    kind: type[AgentBody] = AsyncAgentBody if asynchronous else AgentBody
    document = parse_object(raw, kind)
    if "template" in document and "agent" not in document:  # as version 2 calls it
        document["agent"] = document.pop("template")
    body = _converted(document, kind, (), reading)
    params = document.get("params")
    layers = [Layer((), document)]
    if isinstance(params, dict):
        layers.append(Layer(("params",), params))
    delivery = _delivery(layers, reading, asynchronous=asynchronous)
    body = body or _without_params(document, kind)
    if body is None:
        raise refusal(reading.problems)
    reading.warn_unknown(document, _KNOWN)
    return AgentCall(
        agent=body.agent,
        params=_without_options(params or {}),
        localization=body.localization,
        formats=_formats(body),
        input=echo(document, raw),
        delivery=delivery,
    )


def _without_params(document: dict[str, Any], kind: type[AgentBody]) -> AgentBody | None:
    """The body if nothing is wrong with it but that it has no parameters: the agent that it names
    can tell which it needs."""
    if document.get("params"):
        return None
    try:
        return msgspec.convert({**document, "params": {"none": None}}, kind)
    except (msgspec.ValidationError, OverflowError):
        return None


def _converted(document: Any, kind: Any, at: Steps, reading: Reading) -> Any:
    try:
        return msgspec.convert(document, kind)
    except (msgspec.ValidationError, OverflowError) as error:
        found = ajv.problems(kind, document) or [unexplained(str(error))]
        # Delivery options are told of where they are read.
        reading.adopt(at, [one for one in found if one.path.partition("/")[2] not in _OPTIONS])
        return None


def _delivery(
    layers: list[Layer], reading: Reading, *, asynchronous: bool
) -> DeliveryOptions | None:
    if asynchronous:
        return read_delivery(layers, reading)
    for name in _OPTIONS:
        if any(name in layer.options for layer in layers):
            reading.warn(f"{name} is ignored: synchronous calls answer directly")
    return None


def _without_options(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in _OPTIONS}


def _formats(body: AgentBody) -> tuple[str, ...] | None:
    return None if isinstance(body.formats, UnsetType) else tuple(body.formats)


# ---------------------------------------------------------------- batches


class AgentInputs:
    """The inputs of one batch of runs. Iterating reads them, None standing for a wrong one; what
    is wrong is in `reading`, which must be new. Raises InvalidRequest if the batch itself is wrong.

    `size`: bytes of all inputs when each has what they share.
    """

    def __init__(self, raw: bytes, reading: Reading, *, limit: int) -> None:
        document = parse_object(raw, AgentBatchBody)
        self._reading = reading
        self._inputs = self._take_inputs(document.get("inputs"), limit)
        self._shared = self._take_shared(document.get("shared_inputs"))
        if reading.problems:
            raise refusal(reading.problems)
        unknown = sorted(set(document) - {"inputs", "shared_inputs"})
        if unknown:
            names = ", ".join(repr(name[:64]) for name in unknown[:20])
            reading.warn(f"beside inputs and shared_inputs is ignored: {names}")
        shared_size = len(msgspec.json.encode(self._shared))
        self.size = len(raw) + (len(self._inputs) - 1) * shared_size
        self.agent: str = self._shared["agent"]

    def _take_inputs(self, inputs: Any, limit: int) -> list[Any]:
        reading = self._reading
        if inputs is None:
            message = "must have required property 'inputs'"
            reading.wrong((), message, "required", {"missingProperty": "inputs"})
        elif not isinstance(inputs, list):
            reading.wrong(("inputs",), "must be array", "type", {"type": "array"})
        elif not inputs:
            message = "must NOT have fewer than 1 items"
            reading.wrong(("inputs",), message, "minItems", {"limit": 1})
        elif len(inputs) > limit:
            message = f"must NOT have more than {limit} items"
            reading.wrong(("inputs",), message, "maxItems", {"limit": limit})
        else:
            return inputs
        return []

    def _take_shared(self, shared: Any) -> dict[str, Any]:
        reading = self._reading
        if shared is None:
            message = "must have required property 'shared_inputs'"
            reading.wrong((), message, "required", {"missingProperty": "shared_inputs"})
            return {}
        if isinstance(shared, dict) and "template" in shared and "agent" not in shared:
            shared["agent"] = shared.pop("template")
        _converted(shared, SharedAgentInput, ("shared_inputs",), reading)
        return shared if isinstance(shared, dict) else {}

    def __iter__(self) -> Iterator[AgentCall | None]:
        told: set[tuple[str, str]] = set()
        for number, own in enumerate(self._inputs):
            if len(self._reading.problems) >= ajv.MOST:
                return
            yield self._read(own, ("inputs", number), told)

    def _read(self, own: Any, at: Steps, told: set[tuple[str, str]]) -> AgentCall | None:
        reading, shared = self._reading, self._shared
        known = len(reading.problems)
        body = _converted(own, AgentInput, at, reading)
        if not isinstance(own, dict):
            return None
        mine, ours = own.get("params") or {}, shared.get("params") or {}
        delivery = self._deliver(own, mine if isinstance(mine, dict) else {}, at, told)
        if body is None or len(reading.problems) > known:
            return None
        merged = {**shared, **own, "agent": self.agent, "params": {**ours, **mine}}
        rest = {name: merged[name] for name in ("localization", "formats") if name in merged}
        whole = msgspec.convert(rest, AgentInput)
        return AgentCall(
            agent=self.agent,
            params=_without_options(merged["params"]),
            localization=whole.localization,
            formats=_formats(whole),
            input=echo(merged, msgspec.json.encode(merged)),
            delivery=delivery,
            at=at,
            own=frozenset(mine),
            shared_at=("shared_inputs",),
        )

    def _deliver(
        self, own: dict[str, Any], params: dict[str, Any], at: Steps, told: set[tuple[str, str]]
    ) -> DeliveryOptions | None:
        """An input's own options go before shared ones (D18), the top level before `params`."""
        several, ours = len(self._inputs) > 1, self._shared.get("params") or {}
        inner = Reading(self._reading.now, self._reading.may_store)
        delivery = read_delivery(
            (
                Layer(at, own),
                Layer((*at, "params"), params),
                Layer(("shared_inputs",), self._shared, shared=several),
                Layer(("shared_inputs", "params"), ours, shared=several),
            ),
            inner,
        )
        for problem in inner.problems:
            if (problem.path, problem.message) not in told:
                told.add((problem.path, problem.message))
                self._reading.problems.append(problem)
        return delivery
