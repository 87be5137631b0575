"""An agent and a caller's parameters become a request; what is wrong is named where it stands.

Called by the API for every run. Parameters reach the request in two ways: encoded in the URL
template, and as whole JSON values where options say {"$param": name}. Never as pieces of code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec

from windlass.agents.documents import Compiled, broken, placeholders
from windlass.agents.rules import has_type
from windlass.agents.templates import UnfitError
from windlass.model.agent import InputProperty
from windlass.model.request import AgentRun, ExtractRequest, Period, SearchRequest
from windlass.wire.ajv import not_among
from windlass.wire.v1_agents import SHARED_PARAMS, AgentCall, SharedParams
from windlass.wire.v1_body import ExtractBody
from windlass.wire.v1_extract import read_fields
from windlass.wire.v1_options import given
from windlass.wire.v1_reading import Reading, Steps

_ABSENT: Any = object()
MOST_RESULTS = 100
"""Results of one search."""


def bind(
    made: Compiled, call: AgentCall, reading: Reading, version: int = 0
) -> ExtractRequest | SearchRequest | None:
    """The request of one run; None, with problems noted, if the call does not suit the agent."""
    known = len(reading.problems)
    shared = _shared(call, reading)
    values = _values(made, call, reading)
    if len(reading.problems) > known:
        return None
    local = [
        str(values[n])
        for n, p in made.properties.items()
        if p.is_localization_param and n in values
    ]
    run = AgentRun(made.document.name, version, ",".join(local))
    if made.template is None:
        return _search(made, call, values, shared, run, reading)
    return _extract(made, call, values, shared, run, reading)


# ---------------------------------------------------------------- parameters


def _shared(call: AgentCall, reading: Reading) -> SharedParams:
    given = {name: call.params[name] for name in SHARED_PARAMS if name in call.params}
    problems = SharedParams.problems(given)
    for problem in problems:
        name = problem.path.split("/")[1] if problem.path else ""
        reading.adopt(call.where(name), [problem])
    return SharedParams() if problems else SharedParams.of(given)


def _values(made: Compiled, call: AgentCall, reading: Reading) -> dict[str, Any]:
    """The agent's own parameters, defaults filled in."""
    values: dict[str, Any] = {}
    for name, declared in made.properties.items():
        value = call.params.get(name)
        if declared.is_localization_param and not call.localization:
            if value is not None:
                where = (*call.where(name), name)
                reading.wrong(where, "needs localization: true", "localization")
            continue
        if value is None:
            value = declared.default
        if value is None:
            if declared.required:
                message = f"must have required property '{name}'"
                reading.wrong(call.where(""), message, "required", {"missingProperty": name})
            continue
        values[name] = _checked(made, declared, value, (*call.where(name), name), reading)
    _refuse_localization(made, call, reading)
    for name in list(call.params)[:100]:
        if name not in made.properties and name not in SHARED_PARAMS:
            reading.warn(f"unknown parameter {name[:64]!r} is ignored")
    return values


def _checked(
    made: Compiled, declared: InputProperty, value: Any, where: Steps, reading: Reading
) -> Any:
    if not has_type(value, declared.type):
        reading.wrong(where, f"must be {declared.type}", "type", {"type": declared.type})
    elif fault := broken(value, made.rules[declared.name]):
        reading.wrong(where, *fault)
    elif declared.type == "integer":
        return int(value)
    return value


def _refuse_localization(made: Compiled, call: AgentCall, reading: Reading) -> None:
    if call.localization and not any(p.is_localization_param for p in made.properties.values()):
        message = "must be false: this agent has no localization"
        reading.wrong((*call.at, "localization"), message, "const", {"allowedValue": False})


# ---------------------------------------------------------------- pages


def _extract(
    made: Compiled,
    call: AgentCall,
    values: Mapping[str, Any],
    shared: SharedParams,
    run: AgentRun,
    reading: Reading,
) -> ExtractRequest | None:
    assert made.template is not None
    try:
        url = made.template.expand(values)
    except UnfitError as error:
        reading.wrong((*call.where(error.name), error.name), str(error), "format")
        return None
    document = made.document
    options = substituted(document.extract, values) | shared.options() | {"url": url}
    if document.browser_actions:
        options["browser_actions"] = substituted(list(document.browser_actions), values)
    formats = _formats(document.extract, call, shared)
    inner = Reading(reading.now, reading.may_store)
    read = read_fields(options | {"formats": formats}, ExtractBody, inner)
    for problem in inner.problems:
        _tell(made, call, problem, reading)
    if read is None or inner.problems:
        return None
    return msgspec.structs.replace(
        read[0],
        recipe=made.recipe if shared.parse else "",
        agent=run,
        warnings=(*reading.warnings, *inner.warnings),
    )


def _formats(extract: Mapping[str, Any], call: AgentCall, shared: SharedParams) -> list[str]:
    """An agent's answer holds fields and no page, unless somebody asks for one (contract 7.2)."""
    if call.formats is not None:
        return list(call.formats)
    own: list[str] = extract.get("formats", [])
    return own if own or shared.parse else ["html"]


def _tell(made: Compiled, call: AgentCall, problem: Any, reading: Reading) -> None:
    """A problem of the request that came of it, at what the caller or the author can change."""
    name = problem.path.split("/")[1] if problem.path else ""
    assert made.template is not None
    if name == "url":
        param = made.template.whole or next(iter(made.template.names), "")
        where = (*call.where(param), param) if param else ("url",)
        reading.wrong(where, problem.message, problem.keyword, problem.params)
    elif name in SHARED_PARAMS:
        reading.adopt(call.where(name), [problem])
    elif name == "formats" and call.formats is not None:
        reading.adopt(call.at, [problem])
    else:
        options = {"browser_actions": made.document.browser_actions, **made.document.extract}
        params = [one for one in placeholders(options.get(name)) if one in call.params]
        if params:
            where = (*call.where(params[0]), params[0])
            reading.wrong(where, problem.message, problem.keyword, problem.params)
        else:
            reading.adopt(() if name == "browser_actions" else ("extract",), [problem])


def substituted(value: Any, values: Mapping[str, Any]) -> Any:
    """Options with parameters in place of {"$param": name}. What an absent one would be the value
    of is left out, in a list together with the object that it belongs to."""
    made = _substituted(value, values)
    return {} if made is _ABSENT else made


def _substituted(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {"$param"}:
            return values.get(value["$param"], _ABSENT)
        parts = {name: _substituted(one, values) for name, one in value.items()}
        return {name: one for name, one in parts.items() if one is not _ABSENT}
    if isinstance(value, list):
        return [_substituted(one, values) for one in value if not _lacks(one, values)]
    return value


def _lacks(value: Any, values: Mapping[str, Any]) -> bool:
    """Whether the value, or one of its members, is a parameter that is absent."""
    if not isinstance(value, dict):
        return False
    own = [value] if value.keys() == {"$param"} else value.values()
    return any(
        isinstance(one, dict) and one.keys() == {"$param"} and one["$param"] not in values
        for one in own
    )


# ---------------------------------------------------------------- searches


def _search(
    made: Compiled,
    call: AgentCall,
    values: Mapping[str, Any],
    shared: SharedParams,
    run: AgentRun,
    reading: Reading,
) -> SearchRequest:
    if call.formats:
        reading.warn("formats is ignored: a search backend gives no page")
    source, time = made.document.search, values.get("time", "")
    if time not in get_args(Period):
        allowed = [each for each in get_args(Period) if each]
        where = (*call.where("time"), "time")
        reading.wrong(where, not_among(allowed), "enum", {"allowedValues": allowed})
        time = ""
    return SearchRequest(
        engine=source.engine if source else "",
        query=values["query"],
        count=min(max(values.get("num_results", 10), 1), MOST_RESULTS),
        page=max(values.get("page", 1), 1),
        time=time,
        locale=shared.locale,
        country=given(shared.country, ""),
        tag=shared.tag,
        agent=run,
        warnings=tuple(reading.warnings),
    )
