"""Dialect v1's agents as answers show them (contract 15.4), and the query of their list.

The API answers with it. What is ours beside the vendor's fields is `version`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from windlass.model.agent import Agent, AgentSummary, InputProperty, Scalar
from windlass.wire.document import read_values
from windlass.wire.v1_terms import Time, timestamp

ManagedBy = Literal["nimble", "community", "self_managed"]


class AgentQuery(msgspec.Struct, kw_only=True):
    """What to list."""

    limit: Annotated[int, Meta(ge=1, le=250, description="Agents per page.")] = 100
    offset: Annotated[int, Meta(ge=0, description="Agents to skip.")] = 0
    privacy: Annotated[
        Literal["public", "private", "all"],
        Meta(description="public: built-in ones; private: those of the account."),
    ] = "all"
    managed_by: Annotated[
        Literal["nimble", "community", "self_managed", "self"] | UnsetType,
        Meta(description="community: built-in ones; self_managed or self: those of the account."),
    ] = UNSET
    search: Annotated[
        str, Meta(max_length=256, description="Part of a name, domain or vertical.")
    ] = ""


class AgentItem(msgspec.Struct, kw_only=True):
    """An agent in a list."""

    name: str
    is_public: bool
    display_name: str
    managed_by: ManagedBy
    description: str | None
    vertical: str | None
    entity_type: str | None
    domain: str | None
    version: Annotated[int, Meta(description="0: built in.")]


class PropertyView(msgspec.Struct, kw_only=True):
    """A parameter of an agent."""

    name: str
    required: bool
    type: str
    description: str
    rules: list[str]
    examples: list[Scalar]
    default: Scalar | None
    is_localization_param: bool
    is_pagination_param: bool


class FeatureFlags(msgspec.Struct, kw_only=True):
    """What an agent can do beyond the plain run."""

    is_localization_supported: bool
    is_pagination_supported: bool


class AgentDetail(AgentItem, kw_only=True):
    """An agent by itself."""

    output_schema: dict[str, Any]
    input_properties: list[PropertyView]
    feature_flags: FeatureFlags
    created_at: Time | UnsetType = UNSET


class AgentList(msgspec.Struct, kw_only=True):
    """Agents as version 2 lists them."""

    items: list[AgentItem]
    total: int
    limit: int
    offset: int


class FieldCheck(msgspec.Struct, kw_only=True):
    """One field of a sample: what was expected of it and what was found."""

    field: str
    expected: Any
    found: Any
    same: bool


class AgentTest(msgspec.Struct, kw_only=True):
    """What running an agent's sample came to. failed: there was no page to read."""

    agent: str
    version: int
    status: Literal["same", "changed", "failed"]
    task_id: UUID
    error: str | UnsetType = UNSET
    fields: list[FieldCheck]


_encoder = msgspec.json.Encoder()


def read_agent_query(query: Mapping[str, str]) -> AgentQuery:
    """Query parameters as an AgentQuery. Raises InvalidRequest."""
    known: dict[str, Any] = {
        name: value for name, value in query.items() if name in AgentQuery.__struct_fields__
    }
    for name in ("limit", "offset"):
        if re.fullmatch(r"-?[0-9]{1,18}", known.get(name, "")):
            known[name] = int(known[name])
    return read_values(known, AgentQuery)


def chosen(agents: Sequence[AgentSummary], query: AgentQuery) -> list[AgentSummary]:
    """The agents that a query is about, before it takes a page of them."""
    words = query.search.lower()
    return [one for one in agents if _suits(one, query) and _mentions(one, words)]


def _suits(agent: AgentSummary, query: AgentQuery) -> bool:
    if query.privacy != "all" and agent.builtin != (query.privacy == "public"):
        return False
    wanted = "self_managed" if query.managed_by == "self" else query.managed_by
    return wanted is UNSET or wanted == _managed_by(agent.builtin)


def _mentions(agent: AgentSummary, words: str) -> bool:
    texts = (agent.name, agent.display_name, agent.domain or "", agent.vertical or "")
    return not words or any(words in text.lower() for text in texts)


def _managed_by(builtin: bool) -> ManagedBy:
    return "community" if builtin else "self_managed"


def agent_list(agents: Sequence[AgentSummary], query: AgentQuery) -> bytes:
    """One page of agents, a bare array."""
    return _encoder.encode(_page(chosen(agents, query), query))


def template_list(agents: Sequence[AgentSummary], query: AgentQuery) -> bytes:
    """The same as version 2 answers it."""
    found = chosen(agents, query)
    page = AgentList(
        items=_page(found, query), total=len(found), limit=query.limit, offset=query.offset
    )
    return _encoder.encode(page)


def _page(agents: Sequence[AgentSummary], query: AgentQuery) -> list[AgentItem]:
    page = agents[query.offset : query.offset + query.limit]
    return [AgentItem(**_common(agent, agent.version)) for agent in page]


def agent_detail(agent: Agent) -> bytes:
    """One agent."""
    document = agent.document
    properties = document.input_properties
    view = AgentDetail(
        **_common(document, agent.version),
        output_schema=document.output_schema,
        input_properties=[_property(each) for each in properties],
        feature_flags=FeatureFlags(
            is_localization_supported=any(each.is_localization_param for each in properties),
            is_pagination_supported=any(each.is_pagination_param for each in properties),
        ),
        created_at=timestamp(agent.created_at) if agent.created_at else UNSET,
    )
    return _encoder.encode(view)


def _common(agent: Any, version: int) -> dict[str, Any]:
    """The fields of a document or a summary that both views show."""
    return {
        "name": agent.name,
        "is_public": version == 0,
        "display_name": agent.display_name or agent.name,
        "managed_by": _managed_by(version == 0),
        "description": agent.description or None,
        "vertical": agent.vertical,
        "entity_type": agent.entity_type,
        "domain": agent.domain,
        "version": version,
    }


def _property(each: InputProperty) -> PropertyView:
    return PropertyView(
        name=each.name,
        required=each.required,
        type=each.type,
        description=each.description,
        rules=list(each.rules),
        examples=list(each.examples),
        default=each.default,
        is_localization_param=each.is_localization_param,
        is_pagination_param=each.is_pagination_param,
    )


def agent_test(result: AgentTest) -> bytes:
    """What running a sample came to."""
    return _encoder.encode(result)
