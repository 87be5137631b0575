"""The headers of a webhook: the caller's verbatim, ours beside them. Pure; used by sender.py.

Some headers are nobody's to set: those that frame the message or name its receiver, which aiohttp
writes, and those that identify and sign the delivery. They are refused when a request is read;
what was stored all the same is left out here.
"""

from __future__ import annotations

from datetime import UTC, datetime

from multidict import CIMultiDict

from windlass import __version__
from windlass.errors import WebhookUnsendable
from windlass.model.delivery import RESERVED_HEADERS
from windlass.net.headers import FRAMING, TOKEN, UNFIT
from windlass.webhooks import Post
from windlass.webhooks.signing import signatures

_NOT_THEIRS = RESERVED_HEADERS | FRAMING


def compose(post: Post, authorization: str, now: datetime) -> CIMultiDict[str]:
    """What is sent. `authorization` is what the URL's user info asks for; the caller's own wins.

    Raises WebhookUnsendable for a header that would break the request.
    """
    headers = CIMultiDict(_defaults(authorization))
    own = [pair for pair in post.headers.items() if pair[0].lower() not in _NOT_THEIRS]
    for name, value in own:
        if not TOKEN.fullmatch(name) or UNFIT.search(value):
            raise WebhookUnsendable(f"The header {name[:100]!a} cannot be sent.")
        headers.popall(name, None)
    headers.extend(own)
    headers.update(_identity(post, now.astimezone(UTC)))
    return headers


def _defaults(authorization: str) -> dict[str, str]:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Windlass/{__version__}",
        "Accept": "*/*",
        "Accept-Encoding": "identity",
    }
    if authorization:
        headers["Authorization"] = authorization
    return headers


def _identity(post: Post, now: datetime) -> dict[str, str]:
    delivery_id = str(post.delivery_id)
    headers = {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "X-Nimble-Delivery-Id": delivery_id,
        "X-Nimble-Attempt": str(post.attempt),
    }
    if post.secrets:
        headers["webhook-signature"] = signatures(post.secrets, delivery_id, now, post.body)
    return headers
