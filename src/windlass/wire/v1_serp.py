"""Dialect v1's search results: entities by type (contract 13.2), from what a backend answered.

Workers call it. There is an entity only where the backend said something, and a field only where
it said that.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from windlass.model.request import SearchRequest
from windlass.search import Answer, Found, Hit

Entity = dict[str, Any]


def parsing_of(found: Found, links: dict[str, str]) -> dict[str, Any]:
    """`data.parsing` of a search. `links` has an address for each related query, and for "" that of
    the next page."""
    groups: dict[str, list[Entity]] = {
        "AnswerBox": [_answer(one) for one in found.answers],
        "OrganicResult": [_organic(one, number) for number, one in enumerate(found.hits, 1)],
        "RelatedSearch": [
            {
                "entity_type": "RelatedSearch",
                "position": str(number),
                "query": query,
                "url": links[query],
            }
            for number, query in enumerate(found.related, 1)
        ],
        "Pagination": [_pagination(found, links[""])] if found.next_page else [],
    }
    entities = {name: group for name, group in groups.items() if group}
    counts = {name: len(group) for name, group in entities.items()}
    return {
        "entities": entities,
        "total_entities_count": sum(counts.values()),
        "entities_count": counts,
        "metrics": {},
    }


def next_page_params(found: Found, request: SearchRequest) -> dict[str, Any] | None:
    """The parameters of a run that asks for the next page, None if none is known of."""
    if not found.next_page:
        return None
    params: dict[str, Any] = {"query": request.query, "page": found.next_page}
    if request.count != 10:
        params["num_results"] = request.count
    named = {"time": request.time, "locale": request.locale, "country": request.country}
    return params | {name: value for name, value in named.items() if value}


def _organic(hit: Hit, position: int) -> Entity:
    parts = urlsplit(hit.url)
    entity: Entity = {
        "entity_type": "OrganicResult",
        "position": position,
        "title": hit.title,
        "url": hit.url,
        "snippet": hit.snippet,
        "cleaned_domain": (parts.hostname or "").removeprefix("www."),
        "displayed_url": f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}",
    }
    if hit.thumbnail:
        entity["thumbnails"] = [hit.thumbnail]
    if hit.date:
        entity["published_date"] = hit.date
    if hit.engines:
        entity["engines"] = list(hit.engines)
    return entity


def _answer(answer: Answer) -> Entity:
    entity: Entity = {"entity_type": "AnswerBox", "snippet": answer.text, "snippet_highlighted": []}
    if answer.url:
        entity["display_link"] = answer.url
    return entity


def _pagination(found: Found, link: str) -> Entity:
    return {
        "entity_type": "Pagination",
        "current_page": found.next_page - 1,
        "next_page_url": link,
        "other_page_urls": {str(found.next_page): link},
    }
