"""Agents of accounts in the database: their newest version runs, the ones before stay readable.

A run keeps what its agent was when it began: its task holds the whole request.
"""

from __future__ import annotations

import re

import msgspec

from windlass.errors import AgentNotFound, InvalidRequest, Overloaded, Problem
from windlass.model.account import Account
from windlass.model.agent import NAME, Agent, AgentDocument, AgentSummary
from windlass.storage.database import Database

MOST = 1000
"""Agents of one account."""
KEPT = 100
"""Versions of one agent."""
_TRIES = 10

_NAME = re.compile(NAME)
_decoder = msgspec.json.Decoder(AgentDocument)


class Agents:
    """The agent table. One per process."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, account: Account, name: str, version: int | None = None) -> Agent:
        """One agent, its newest version unless another is named. Raises AgentNotFound."""
        row = None
        if _is_name(name):
            row = await self._database.fetch_row("get_agent", account.id, name, version)
        if row is None:
            raise AgentNotFound
        text = row["document"].encode()
        return Agent(
            document=_decoder.decode(text),
            text=text,
            version=row["version"],
            created_at=row["created_at"],
        )

    async def list(self, account: Account) -> tuple[AgentSummary, ...]:
        """All agents of an account, by name."""
        rows = await self._database.fetch("list_agents", account.id)
        return tuple(AgentSummary(**dict(row)) for row in rows)

    async def save(self, account: Account, document: AgentDocument) -> Agent:
        """Stores the next version; that of now if it is the same. Raises InvalidRequest when the
        account has too many agents."""
        text = msgspec.json.encode(document)
        for _ in range(_TRIES):
            try:
                current = await self.get(account, document.name)
            except AgentNotFound:
                await self._require_room(account, document.name)
            else:
                if current.text == text:
                    return current
            row = await self._database.fetch_row(
                "insert_agent", account.id, document.name, text.decode(), durable=True
            )
            if row is not None:
                await self._database.execute("purge_versions", account.id, document.name, KEPT)
                return Agent(document=document, text=text, **dict(row))
        raise Overloaded("The agent is being changed by others; try again")

    async def _require_room(self, account: Account, name: str) -> None:
        row = await self._database.fetch_row("count_agents", account.id, name)
        if row is not None and row[0] >= MOST:
            message = f"must NOT be one more: an account has at most {MOST} agents"
            problem = Problem("/name", message, keyword="maxItems", params={"limit": MOST})
            raise InvalidRequest(f"name {message}", (problem,))

    async def delete(self, account: Account, name: str) -> None:
        """Removes an agent with all its versions. Raises AgentNotFound."""
        if not _is_name(name) or not await self._database.fetch(
            "delete_agent", account.id, name, durable=True
        ):
            raise AgentNotFound


def _is_name(text: str) -> bool:
    """Whether an agent may have this name; what else is asked for may be no text for a database."""
    return _NAME.match(text) is not None
