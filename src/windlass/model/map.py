"""Map: one call that names the URLs of a site. What it is to do; its answer is a task's result.

Made by a dialect in wire/, stored with the task as JSON, carried out by kinds/map.py.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from windlass.model.crawl import Sitemaps
from windlass.model.delivery import DeliveryOptions
from windlass.model.request import ExtractRequest

MAP = "map"
"""The kind of task that a map is."""

DomainFilter = Literal["domain", "subdomain", "all"]


class MapPlan(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a map is to do (contract section 11).

    `request` is what each page is asked with, that of the start page as it is. `answered_in_s` is
    the time from its creation that the answer must not exceed, None if nobody waits for it.
    """

    request: ExtractRequest
    sitemap: Sitemaps = "include"
    domain_filter: DomainFilter = "all"
    limit: int = 5000
    answered_in_s: float | None = None
    warnings: tuple[str, ...] = ()


class MapWish(msgspec.Struct, frozen=True):
    """What a caller asks for: a plan, the JSON that answers repeat of it, and how the result is to
    be delivered; None: nobody asked, or the call is synchronous."""

    plan: MapPlan
    input: bytes
    delivery: DeliveryOptions | None = None


class MapLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """One URL of a map, with what is known of the page there."""

    url: str
    title: str = ""
    description: str = ""
