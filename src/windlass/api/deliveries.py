"""Calls about the delivery log: list, read, send again. Ours, not the vendor's."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from windlass.api.call import Call, Reply
from windlass.api.verbs import Verbs
from windlass.errors import NotFound
from windlass.wire.deliveries import (
    DeliveryQuery,
    ResendBody,
    delivery_detail,
    delivery_list,
    resend_reply,
)
from windlass.wire.document import read_document, read_values

_FILTERS = DeliveryQuery.__struct_fields__


class DeliveryLog:
    """Handlers that read and resend deliveries of the calling account."""

    def __init__(self, service: Verbs) -> None:
        self._service = service

    async def list(self, call: Call) -> Reply:
        """One page of deliveries."""
        query = call.query()
        given = {name: query[name] for name in _FILTERS if name in query}
        which = read_values(given, DeliveryQuery).filter()
        limit, cursor = call.listing()
        return Reply(
            delivery_list(await self._service.deliveries(call.account, which, cursor, limit))
        )

    async def get(self, call: Call) -> Reply:
        """One delivery with its attempts."""
        record = await self._service.delivery(call.account, _delivery_id(call))
        call.task_id = record.task_id
        return Reply(delivery_detail(record))

    async def resend(self, call: Call) -> Reply:
        """Sends one again."""
        record = await self._service.resend(call.account, _delivery_id(call))
        call.task_id = record.task_id
        return Reply(delivery_detail(record))

    async def resend_all(self, call: Call) -> Reply:
        """Sends all of a time again."""
        wanted = read_document(call.body, ResendBody).wanted(datetime.now(UTC))
        return Reply(resend_reply(await self._service.resend_all(call.account, wanted), wanted))


def _delivery_id(call: Call) -> UUID:
    return call.path_id("delivery_id", NotFound("Delivery not found"))
