"""The agents that come with Windlass: one JSON document each in builtin/, the file's name its name.

Adding one needs no Python. They stand behind an account's own agents of the same name.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import msgspec

from windlass.model.agent import Agent, AgentDocument, AgentSummary


@cache
def builtins() -> dict[str, Agent]:
    """All of them by name."""
    found: dict[str, Agent] = {}
    folder = resources.files("windlass.agents") / "builtin"
    for file in sorted(folder.iterdir(), key=lambda one: one.name):
        if file.name.endswith(".json"):
            text = file.read_bytes()
            document = msgspec.json.decode(text, type=AgentDocument)
            found[document.name] = Agent(document=document, text=text)
    return found


def summary_of(agent: Agent) -> AgentSummary:
    """What lists show of it."""
    document = agent.document
    return AgentSummary(
        name=document.name,
        display_name=document.display_name,
        description=document.description,
        vertical=document.vertical,
        entity_type=document.entity_type,
        domain=document.domain,
        version=agent.version,
    )
