"""Calls that run agents (contract 15) and that keep them: create, export, delete, test.

A run is an ordinary task of the extract kind, or of the search kind; what the agent was when it
was submitted stays in its request.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from windlass.agents.binding import bind
from windlass.agents.documents import Compiled, compiled, read_agent
from windlass.agents.samples import compare
from windlass.api.batches import Batches
from windlass.api.call import Call, Reply
from windlass.api.verbs import Verbs
from windlass.api.work import Work
from windlass.buckets.places import allowed
from windlass.errors import AgentNotFound, InvalidRequest, Problem
from windlass.model.agent import Agent, AgentDocument, Sample
from windlass.model.request import Submission
from windlass.model.task import State, Task
from windlass.settings import Settings
from windlass.wire import ajv
from windlass.wire.document import parse_object, refusal
from windlass.wire.v1_agents import AgentCall, AgentInputs, read_run
from windlass.wire.v1_agentviews import (
    AgentTest,
    FieldCheck,
    agent_detail,
    agent_list,
    agent_test,
    read_agent_query,
    template_list,
)
from windlass.wire.v1_reading import Reading
from windlass.wire.v1_tasks import creation_reply
from windlass.wire.v1_terms import reason


class AgentRuns:
    """Handlers that run agents."""

    def __init__(self, settings: Settings, service: Verbs, work: Work, batches: Batches) -> None:
        self._settings = settings
        self._service = service
        self._work = work
        self._batches = batches

    async def run(self, call: Call) -> Reply:
        """Submits a task and waits for it."""
        task, timeout_ms = await self._submit(call, asynchronous=False)
        return await self._work.finish(call, task, timeout_ms)

    async def run_async(self, call: Call) -> Reply:
        """Accepts a task and answers at once."""
        task, _ = await self._submit(call, asynchronous=True)
        return Reply(creation_reply(task, call.base(self._settings.public_url)))

    async def run_batch(self, call: Call) -> Reply:
        """Accepts all inputs, or none, and answers at once."""
        reading = self._reading(call)
        inputs = AgentInputs(call.body, reading, limit=self._settings.batch_limit)
        agent = await self._service.agent(call.account, inputs.agent)
        return await self._batches.accept(call, inputs.size, _bound_all(inputs, agent, reading))

    async def _submit(self, call: Call, *, asynchronous: bool) -> tuple[Task, int | None]:
        reading = self._reading(call)
        asked = read_run(call.body, reading, asynchronous=asynchronous)
        agent = await self._service.agent(call.account, asked.agent)
        made = compiled(agent.text)
        request = bind(made, asked, reading, agent.version)
        if request is None or reading.problems:
            raise refusal(reading.problems)
        wanted = Submission(request, asked.input, asked.delivery)
        return await self._work.submit(call, wanted, asynchronous=asynchronous)

    def _reading(self, call: Call) -> Reading:
        return Reading(time.time(), partial(allowed, self._settings, call.account.name))


def _bound_all(inputs: AgentInputs, agent: Agent, reading: Reading) -> Iterator[Submission | None]:
    """All inputs of a batch, None for a wrong one. Raises InvalidRequest at the end if there is
    any."""
    made = compiled(agent.text)
    notes = list(reading.warnings)
    for asked in inputs:
        yield None if asked is None else _bound(made, asked, agent.version, reading, notes)
    if reading.problems:
        raise refusal(_distinct(reading.problems)[: ajv.MOST])


def _bound(
    made: Compiled, asked: AgentCall, version: int, reading: Reading, notes: list[str]
) -> Submission | None:
    inner = Reading(reading.now, reading.may_store)
    inner.warnings += notes
    request = bind(made, asked, inner, version)
    reading.problems += inner.problems
    if request is None:
        return None
    return Submission(request, asked.input, asked.delivery)


def _distinct(problems: list[Problem]) -> list[Problem]:
    """What is wrong in what inputs share is told once."""
    return list({(one.path, one.message): one for one in problems}.values())


class AgentShelf:
    """Handlers that list and keep agents, and test them."""

    def __init__(self, service: Verbs, work: Work) -> None:
        self._service = service
        self._work = work

    async def list(self, call: Call) -> Reply:
        """Agents that the account can run."""
        query = read_agent_query(call.query())
        return Reply(agent_list(await self._service.agents(call.account), query))

    async def list_templates(self, call: Call) -> Reply:
        """The same as version 2 answers it."""
        query = read_agent_query(call.query())
        return Reply(template_list(await self._service.agents(call.account), query))

    async def get(self, call: Call) -> Reply:
        """One agent."""
        return Reply(agent_detail(await self._service.agent(call.account, _name(call))))

    async def save(self, call: Call) -> Reply:
        """Creates an agent or its next version."""
        value = parse_object(call.body, AgentDocument)
        value.setdefault("name", _name(call))
        # Compiling a large recipe takes long enough to leave the loop.
        document = await asyncio.to_thread(read_agent, value)
        if document.name != _name(call):
            problem = Problem("/name", "must be the name in the path", keyword="const")
            raise refusal([problem])
        return Reply(agent_detail(await self._service.save_agent(call.account, document)))

    async def delete(self, call: Call) -> Reply:
        """Removes an agent of the account."""
        await self._service.delete_agent(call.account, _name(call))
        return Reply(b"", 204)

    async def export(self, call: Call) -> Reply:
        """An agent's document."""
        version = call.whole_number("version", 0) or None
        if version is not None and version >= 2**31:
            raise AgentNotFound
        agent = await self._service.agent(call.account, _name(call), version)
        return Reply(agent.text)

    async def test(self, call: Call) -> Reply:
        """Runs an agent's sample and holds what was found against what was expected."""
        agent = await self._service.agent(call.account, _name(call))
        sample = agent.document.sample
        if sample is None:
            problem = Problem("/sample", "must be there to be tested", keyword="required")
            raise InvalidRequest("The agent has no sample", (problem,))
        task = await self._run_sample(call, agent, sample)
        found, error = await self._found(call, task)
        rows = [] if error else compare(sample.expected, found)
        status = "failed" if error else "same" if all(one.same for one in rows) else "changed"
        result = AgentTest(
            agent=agent.document.name,
            version=agent.version,
            status=status,  # type: ignore[arg-type]  # one of the three
            task_id=task.id,
            error=error or UNSET,
            fields=[
                FieldCheck(field=one.field, expected=one.expected, found=one.found, same=one.same)
                for one in rows
            ],
        )
        return Reply(agent_test(result))

    async def _run_sample(self, call: Call, agent: Agent, sample: Sample) -> Task:
        name, reading = agent.document.name, Reading(time.time())
        shown: dict[str, Any] = {"agent": name, "params": sample.params}
        asked = AgentCall(
            agent=name,
            params=sample.params,
            localization=sample.localization,
            input=msgspec.json.encode(shown),
        )
        request = bind(compiled(agent.text), asked, reading, agent.version)
        if request is None:
            raise refusal(reading.problems)
        wanted = Submission(request, asked.input)
        return await self._work.ended(
            call, *await self._work.submit(call, wanted, asynchronous=False)
        )

    async def _found(self, call: Call, task: Task) -> tuple[Any, str]:
        """What the recipe found, or why there was nothing to read."""
        if task.state is not State.SUCCEEDED:
            why = reason(task.state, task.failure)
            return None, why.message if why else "the run failed"
        _, result = await self._service.results(call.account, task.id)
        return msgspec.json.decode(result)["data"].get("parsing"), ""


def _name(call: Call) -> str:
    name: str = call.scope["path_params"]["agent_name"]
    return name
