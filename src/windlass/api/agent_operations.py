"""The operations of agents: the vendor's runs and lists (contract 15), and ours that keep them."""

from __future__ import annotations

from typing import Any

from windlass.api.operation import SYNC, Operation, Parameter, parameters
from windlass.model.agent import AgentDocument
from windlass.wire.v1_agents import AgentBatchBody, AgentBody, AsyncAgentBody
from windlass.wire.v1_agentviews import AgentDetail, AgentItem, AgentList, AgentQuery, AgentTest
from windlass.wire.v1_batches import BatchReply
from windlass.wire.v1_errors import Error400, Error500, ErrorText
from windlass.wire.v1_results import ExtractResult
from windlass.wire.v1_tasks import CreationReply

_FOUND: dict[int, type | str | None] = {400: Error400, 404: ErrorText}
_NO_SEARCH: dict[int, type | str | None] = {501: Error500}
_VERSION = Parameter(
    "version",
    "Another version than the newest.",
    {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
)
_QUERY = parameters(AgentQuery)
_ONE = "/v1/agents/{agent_name}"


def _run(name: str, tail: str, **more: Any) -> Operation:
    """A call that runs agents, under its paths of both versions."""
    return Operation(
        name=name,
        method="POST",
        path=f"/v1/agents/{tail}",
        aliases=(
            *(("/v1/agent",) if tail == "run" else ()),
            f"/v1/agent/{tail}",
            f"/v2/agents/{tail}",
            f"/v2/extract/templates/{tail}",
        ),
        group="Agents",
        **more,
    )


AGENT_OPERATIONS = (
    _run(
        "run_agent",
        "run",
        summary="Run an agent now",
        doc="Waits for the page; data.parsing has the fields. Otherwise as extract.",
        body=AgentBody,
        answers={200: ExtractResult, 404: ErrorText, **SYNC},
    ),
    _run(
        "run_agent_async",
        "async",
        summary="Run an agent later",
        doc="Answers as soon as the task is stored for good. Delivery options may stand in params, "
        "too; those at the top level win.",
        body=AsyncAgentBody,
        answers={200: CreationReply, 404: ErrorText, **_NO_SEARCH},
        creating=True,
    ),
    _run(
        "run_agent_batch",
        "batch",
        summary="Run an agent on many inputs later",
        doc="A task for each input, all or none: one wrong input refuses the batch.",
        body=AgentBatchBody,
        answers={200: BatchReply, 404: ErrorText, **_NO_SEARCH},
        creating=True,
    ),
    Operation(
        name="list_agents",
        method="GET",
        path="/v1/agents",
        group="Agents",
        summary="List agents",
        doc="Built-in ones and those of the account, by name.",
        query=_QUERY,
        answers={200: list[AgentItem], 400: Error400},
    ),
    Operation(
        name="list_templates",
        method="GET",
        path="/v2/extract/templates",
        group="Agents",
        summary="List agents as version 2 does",
        query=_QUERY,
        answers={200: AgentList, 400: Error400},
    ),
    Operation(
        name="get_agent",
        method="GET",
        path=_ONE,
        aliases=("/v2/extract/templates/{agent_name}",),
        group="Agents",
        summary="Read what an agent takes and gives",
        answers={200: AgentDetail, **_FOUND},
    ),
    Operation(
        name="save_agent",
        method="PUT",
        path=_ONE,
        group="Agents",
        summary="Create an agent, or a new version of it",
        doc="Everything wrong with the document is named. The same document again makes no new "
        "version. Runs that have begun keep the version they began with.",
        body=AgentDocument,
        answers={200: AgentDetail},
    ),
    Operation(
        name="delete_agent",
        method="DELETE",
        path=_ONE,
        group="Agents",
        summary="Delete an agent with all its versions",
        doc="Only of the account itself: built-in ones stay. Runs that have begun go on.",
        answers={204: None, **_FOUND},
    ),
    Operation(
        name="export_agent",
        method="GET",
        path=_ONE + "/document",
        group="Agents",
        summary="Read an agent's document",
        doc="What PUT takes, for another server or to change it.",
        query=(_VERSION,),
        answers={200: AgentDocument, **_FOUND},
    ),
    Operation(
        name="test_agent",
        method="POST",
        path=_ONE + "/test",
        group="Agents",
        summary="Run an agent's sample and compare",
        doc="Tells whether the site has changed under the agent. 400 for one without a sample.",
        answers={200: AgentTest, **_FOUND, **SYNC},
    ),
)
