"""Dialect v1's batches of extracts as callers write them (contract 7.3, 6.3), read into ours.

The API makes `Inputs` of a body and takes them one by one, so that it can do other things between.
What inputs have in common is read once; what is wrong is told at the place where it stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from windlass.errors import InvalidRequest, Problem
from windlass.model.delivery import DeliveryOptions
from windlass.model.request import ExtractRequest, Submission
from windlass.wire import ajv
from windlass.wire.document import parse_object, refusal, unexplained
from windlass.wire.v1_body import (
    BatchBody,
    BatchInput,
    DeliveryFields,
    ExtractBody,
    TargetUrl,
)
from windlass.wire.v1_delivery import Layer, read_delivery
from windlass.wire.v1_extract import PLACEHOLDER, authorized, folded, read_fields, read_target
from windlass.wire.v1_masking import echo_fields, masked
from windlass.wire.v1_reading import Reading, Steps

_TEMPLATES = 64
"""Requests kept for inputs that differ in nothing but where to and where from."""
_APART = frozenset(("url", *DeliveryFields.__struct_fields__))
"""What is read for each input by itself."""


class _Fields(msgspec.Struct, frozen=True):
    """One JSON object: its values, and the bytes of each."""

    values: dict[str, Any]
    raw: dict[str, msgspec.Raw]


class _Template(msgspec.Struct, frozen=True):
    """What an input asks for but for its `_APART` fields; no request if something is wrong.
    `hidden` holds the fields that answers show in another form, in that form."""

    request: ExtractRequest | None
    hidden: dict[str, msgspec.Raw]
    problems: Sequence[Problem] = ()


class _Target(msgspec.Struct):
    """The part of a request that says where to."""

    url: TargetUrl


class Inputs:
    """The inputs of one batch. Iterating reads them, None standing for a wrong one, and raises
    InvalidRequest at the end if there was any.

    `size`: bytes of all inputs when each has what they share. `reading` must be new. `legacy`: the
    body may be that of the legacy API (section 20).
    """

    def __init__(self, raw: bytes, reading: Reading, *, limit: int, legacy: bool = False) -> None:
        fields = _raw_fields(raw, BatchBody)
        name = "requests" if legacy and "requests" in fields else "inputs"
        self._reading = reading
        self._at: Steps = (name,)
        self._parts = self._take_apart(fields.pop(name, None), limit)
        self._shared_at: Steps = ()
        if name == "inputs":
            self._shared_at = ("shared_inputs",)
            shared = fields.pop("shared_inputs", msgspec.Raw(b"{}"))
            self._warn_unknown(fields)
        else:
            shared = msgspec.Raw(msgspec.json.encode(fields))
        self._refused: set[str] = set()
        self._shared = self._read_shared(shared)
        self._told: set[tuple[str, str]] = set()
        self._templates: dict[bytes, _Template] = {}
        self._usual: tuple[DeliveryOptions | None, list[str]] | None = None
        self.size = sum(map(_length, self._parts)) + len(self._parts) * _length(shared)

    def __iter__(self) -> Iterator[Submission | None]:
        problems = self._reading.problems
        for number, raw in enumerate(self._parts):
            if len(problems) >= ajv.MOST:
                break
            yield self._read(raw, (*self._at, number))
        if problems:
            raise refusal(problems[: ajv.MOST])

    # ------------------------------------------------------------ the body

    def _take_apart(self, raw: msgspec.Raw | None, limit: int) -> list[msgspec.Raw]:
        """The inputs as they came, none if their list is wrong."""
        name = str(self._at[0])
        if raw is None:
            message = f"must have required property '{name}'"
            self._reading.wrong((), message, "required", {"missingProperty": name})
            return []
        try:
            parts = msgspec.json.decode(raw, type=list[msgspec.Raw])
        except msgspec.ValidationError:
            self._reading.wrong(self._at, "must be array", "type", {"type": "array"})
            return []
        if not parts:
            message = "must NOT have fewer than 1 items"
            self._reading.wrong(self._at, message, "minItems", {"limit": 1})
        if len(parts) > limit:
            message = f"must NOT have more than {limit} items"
            self._reading.wrong(self._at, message, "maxItems", {"limit": limit})
            return []
        return parts

    def _warn_unknown(self, fields: Mapping[str, msgspec.Raw]) -> None:
        if fields:
            names = ", ".join(repr(name[:64]) for name in list(fields)[:20])
            self._reading.warn(f"beside inputs and shared_inputs is ignored: {names}")

    def _read_shared(self, raw: msgspec.Raw) -> _Fields:
        """What inputs share; of this, what is of the wrong type is told here and left out."""
        reading = self._reading
        try:
            fields = _read_fields(raw)
        except InvalidRequest as error:
            reading.adopt(self._shared_at, error.problems)
            return _Fields({}, {})
        plain = folded(fields.values)
        try:
            msgspec.convert(plain, BatchInput)
        except (msgspec.ValidationError, OverflowError) as error:
            found = ajv.problems(BatchInput, plain) or [unexplained(str(error))]
            reading.adopt(self._shared_at, found)
            self._refused.update(problem.path.split("/")[1] for problem in found if problem.path)
        values = {name: value for name, value in fields.values.items() if name not in self._refused}
        return _Fields(values, fields.raw)

    # ------------------------------------------------------------ one input

    def _read(self, raw: msgspec.Raw, where: Steps) -> Submission | None:
        try:
            own = _read_fields(raw)
        except InvalidRequest as error:
            self._reading.adopt(where, error.problems)
            return None
        template = self._template(own)
        reading = self._new_reading()
        url, authorization = self._read_url(own, reading)
        self._tell([*reading.problems, *template.problems], own, where)
        delivery, notes = self._read_delivery(own, where)
        request = template.request
        if request is None:
            return None
        request = msgspec.structs.replace(
            request,
            url=url,
            headers=authorized(request.headers, authorization),
            warnings=(*request.warnings, *notes),
        )
        return Submission(request, self._echo(own, template), delivery)

    def _template(self, own: _Fields) -> _Template:
        """What an input asks for, read from scratch unless one before it asked for the same."""
        parts = {name: raw for name, raw in own.raw.items() if name not in _APART}
        key = msgspec.json.encode(parts)
        template = self._templates.get(key)
        if template is None:
            template = self._new_template(own)
            if not template.problems and len(self._templates) < _TEMPLATES:
                self._templates[key] = template
        return template

    def _new_template(self, own: _Fields) -> _Template:
        merged = self._shared.values | own.values
        document = {name: value for name, value in merged.items() if name not in _APART}
        reading = self._new_reading()
        reading.warnings += self._reading.warnings
        read = read_fields(document | {"url": PLACEHOLDER}, ExtractBody, reading)
        if read is None or reading.problems:
            return _Template(None, {}, reading.problems)
        return _Template(read[0], _as_raw(masked(document)))

    def _read_url(self, own: _Fields, reading: Reading) -> tuple[str, str]:
        """As `read_target`."""
        values = own.values if "url" in own.values else self._shared.values
        document = {name: values[name] for name in ("url",) if name in values}
        try:
            return read_target(msgspec.convert(document, _Target).url, reading)
        except msgspec.ValidationError as error:
            # A shared one that was refused is told of already.
            if document or "url" not in self._refused:
                reading.problems += ajv.problems(_Target, document) or [unexplained(str(error))]
            return PLACEHOLDER, ""

    def _read_delivery(
        self, own: _Fields, where: Steps
    ) -> tuple[DeliveryOptions | None, list[str]]:
        """The delivery of one input, and notes; its own options go before shared ones (D18)."""
        shared = Layer(self._shared_at, self._shared.values, shared=len(self._parts) > 1)
        if own.values.keys() & _APART <= {"url"}:
            if self._usual is None:
                self._usual = self._deliver((shared,))
            return self._usual
        return self._deliver((Layer(where, own.values), shared))

    def _deliver(self, layers: Sequence[Layer]) -> tuple[DeliveryOptions | None, list[str]]:
        reading = self._new_reading()
        options = read_delivery(layers, reading)
        for problem in reading.problems:
            if self._is_news(problem):
                self._reading.problems.append(problem)
        return options, reading.warnings

    def _echo(self, own: _Fields, template: _Template) -> bytes:
        """What answers repeat of an input: with all that it shares."""
        values = {
            name: value
            for fields in (self._shared.values, own.values)
            for name, value in fields.items()
            if name in _APART
        }
        return echo_fields(self._shared.raw | own.raw | template.hidden | _as_raw(masked(values)))

    # ------------------------------------------------------------ problems

    def _tell(self, problems: Sequence[Problem], own: _Fields, where: Steps) -> None:
        """Notes problems of an input where they stand: in itself, or, once, in what is shared."""
        for problem in problems:
            name = problem.path.partition("/")[2].partition("/")[0]
            if name in own.values or name not in self._shared.values:
                self._reading.adopt(where, [problem])
            elif self._is_news(problem):
                self._reading.adopt(self._shared_at, [problem])

    def _is_news(self, problem: Problem) -> bool:
        known = (problem.path, problem.message)
        if known in self._told:
            return False
        self._told.add(known)
        return True

    def _new_reading(self) -> Reading:
        return Reading(self._reading.now, self._reading.may_store)


def _raw_fields(raw: bytes | msgspec.Raw, kind: type) -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, not yet decoded. Raises InvalidRequest."""
    try:
        return msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError):
        parse_object(bytes(raw), kind)  # says what is wrong with it
        raise


def _read_fields(raw: msgspec.Raw) -> _Fields:
    """A JSON object. Raises InvalidRequest."""
    return _Fields(parse_object(bytes(raw), BatchInput), _raw_fields(raw, BatchInput))


def _as_raw(fields: Mapping[str, Any]) -> dict[str, msgspec.Raw]:
    return {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in fields.items()}


def _length(raw: msgspec.Raw) -> int:
    return len(memoryview(raw))
