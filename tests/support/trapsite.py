"""A site of honest pages with traps around them: each trap makes URLs for ever.

`answer` is the whole site, a pure function of path and query; `TrapSite` serves it on loopback and
counts. GENUINE are the pages that a crawl must bring, TRAPS say which URLs belong to which trap.
"""

from __future__ import annotations

import random
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tests.support.http_double import Handler, HttpDouble


class Answer(NamedTuple):
    """What the site says to a request."""

    status: int
    html: str


_SYLLABLES = [
    "ba",
    "co",
    "di",
    "fu",
    "ga",
    "he",
    "jo",
    "ki",
    "lu",
    "ma",
    "ne",
    "po",
    "ra",
    "si",
    "tu",
    "va",
    "we",
    "xo",
    "yi",
    "zu",
]
_LIST_PAGES = 30
_BY_PAGE = 2
_COLOURS = ("red", "green", "blue", "black")
_SIZES = ("s", "m", "l")
_BRANDS = ("acme", "globex", "initech")
_SORTS = ("name", "price", "age")
_PRODUCTS = 24
_POSTS = tuple((year, month) for year in (2023, 2024) for month in range(1, 13))
_TEAM = (
    "alice",
    "bob",
    "carol",
    "dan",
    "erin",
    "frank",
    "grace",
    "heidi",
    "ivan",
    "judy",
)

TRAPS = {
    "calendar in the path": r"/calendar/.+",
    "calendar in the query": r"/events\?",
    "session id in the path": r"/s/",
    "session id in the query": r"/help\?",
    "filters in the query": r"/shop\?(?!page=\d+$)",
    "filters in the path": r"/find/.+",
    "growing relative paths": r"/deep/.+",
    "the same list for ever": r"/feed\?",
    "the same list for ever, by path": r"/archive/page/",
    "past the end of an honest list": r"/news\?page=(?:3[1-9]|[4-9]\d|\d{3,})$",
    "orders of a table": r"/table\?",
    "replies to each article": r"/articles/\d+\?",
    "a sign-in page for each page": r"/login\?",
}
"""A pattern of path and query for each trap."""


def _words(seed: str, count: int) -> str:
    draw = random.Random(seed)
    words = ("".join(draw.choices(_SYLLABLES, k=draw.randint(2, 3))) for _ in range(count))
    return " ".join(words).capitalize() + "."


def _text(seed: str, sentences: int = 6) -> str:
    return "<p>" + " ".join(_words(f"{seed}{n}", 12) for n in range(sentences)) + "</p>"


def _token(seed: str) -> str:
    return sha256(seed.encode()).hexdigest()[:24]


def _link(url: str, text: str = "") -> str:
    return f'<a href="{url}">{text or url}</a>'


def _list(urls: list[str]) -> str:
    return "<ul>" + "".join(f"<li>{_link(url)}</li>" for url in urls) + "</ul>"


_SECTIONS = [
    "about",
    "contact",
    "team",
    "stores",
    "news",
    "blog",
    "docs",
    "shop",
    "find",
    "calendar/2026/05",
    "events?month=5&year=2026",
    "deep",
    "feed?page=1",
    "archive/page/1",
    "table",
    "help",
]


def _page(target: str, title: str, body: str) -> str:
    menu = "".join(_link(f"/{one}", one.split("?")[0].split("/")[0]) for one in _SECTIONS)
    sign_in = _link(f"/login?return={quote(target, safe='')}", "Sign in")
    text_only = _link(f"/s/{_token(target)}/about", "Text version")
    return (
        f"<!DOCTYPE html><title>{title}</title><nav>{menu}</nav><h1>{title}</h1>{body}"
        f"<footer>{sign_in} {text_only} <p>Made with care. All rights reserved.</p></footer>"
    )


# ---------------------------------------------------------------- honest pages


def _post(year: int, month: int) -> str:
    return f"/blog/{year}/{month:02}/{_words(f'{year}{month}', 3)[:-1].lower().replace(' ', '-')}"


def _product(number: int) -> str:
    return "/products/" + _words(f"product {number}", 2)[:-1].lower().replace(" ", "-")


def _honest() -> dict[str, str]:
    """Title and body of each page that is always the same, by its path."""
    articles = range(1, _LIST_PAGES * _BY_PAGE + 1)
    pages = {
        "/": ("Home", _text("home")),
        "/about": ("About", _text("about")),
        "/contact": ("Contact", _text("contact")),
        "/team": ("Team", _list([f"/team/{name}" for name in _TEAM])),
        "/stores": ("Stores", _list([f"/stores/{number}" for number in range(1, 13)])),
        "/blog": ("Blog", _list([f"/blog/{year}/{month:02}/" for year, month in _POSTS])),
        "/docs": ("Docs", _list([f"/docs/chapter-{number}.html" for number in range(1, 11)])),
        "/find": ("Find", _text("find", 1) + _list([f"/find/{one}/" for one in _COLOURS])),
        "/deep": ("Deep", _text("deep", 1) + _link("/deep/more/", "More")),
        "/table": ("Table", _text("table") + _orders("/table", {})),
        "/help": ("Help", _text("help") + _link(f"/help?ticket={_token('help')}", "Ask")),
    }
    for name in _TEAM:
        pages[f"/team/{name}"] = (name.title(), f"<p>{name.title()} works here.</p>")
    for number in range(1, 13):
        pages[f"/stores/{number}"] = (f"Store {number}", "<p>Open from 9 to 5. Come in.</p>")
    for number in range(1, 11):
        pages[f"/docs/chapter-{number}.html"] = (f"Chapter {number}", _chapter(number))
    for year, month in _POSTS:
        post = _post(year, month)
        pages[f"/blog/{year}/{month:02}/"] = (f"Posts of {year}-{month:02}", _list([post]))
        pages[post] = (_words(post, 4), _text(post))
    for number in articles:
        pages[f"/articles/{number}"] = (_words(f"article {number}", 4), _article(number))
    for number in range(_PRODUCTS):
        pages[_product(number)] = (_words(f"product {number}", 2), _text(_product(number), 2))
    return {path: _page(path, title, body) for path, (title, body) in pages.items()}


def _chapter(number: int) -> str:
    sections = "".join(f"<h2>{_words(f'{number}/{n}', 3)}</h2>" for n in range(3))
    return sections + _text(f"chapter {number}", 8)


def _article(number: int) -> str:
    replies = "".join(_link(f"/articles/{number}?replytocom={number * 7 + n}") for n in range(3))
    return _text(f"article {number}") + replies


def _news(page: int) -> str:
    shown = min(page, _LIST_PAGES)
    first = (shown - 1) * _BY_PAGE + 1
    entries = "".join(
        f"<li>{_link(f'/articles/{number}', _words(f'article {number}', 4))}</li>"
        for number in range(first, first + _BY_PAGE)
    )
    onward = _link(f"/news?page={page + 1}", "Older")
    return _page(f"/news?page={page}", f"News, page {page}", f"<ul>{entries}</ul>{onward}")


# ---------------------------------------------------------------- traps


def _shop(query: dict[str, str]) -> str:
    """Products that pass the filters, five at a time, and a link for each filter not yet set."""
    chosen = [
        number
        for number in range(_PRODUCTS)
        if query.get("colour", _COLOURS[number % 4]) == _COLOURS[number % 4]
        and query.get("size", _SIZES[number % 3]) == _SIZES[number % 3]
        and query.get("brand", _BRANDS[number // 8]) == _BRANDS[number // 8]
    ]
    if query.get("sort") in _SORTS:
        chosen.sort(key=lambda number: _token(f"{query['sort']} {number}"))
    page = int(query.get("page", "1"))
    shown = chosen[(page - 1) * 5 : page * 5]
    items = "".join(
        f"<li>{_link(_product(number))} {_words(f'blurb {number}', 5)}</li>" for number in shown
    )
    more = [
        query | {name: value} | ({} if name == "page" else {"page": "1"})
        for name, values in _filters(page, len(chosen)).items()
        for value in values
        if query.get(name) != value
    ]
    ways = "".join(_link(f"/shop?{urlencode(one)}", "Show") for one in more)
    return _page("/shop", "Shop", f"<ul>{items}</ul>{ways}")


def _filters(page: int, found: int) -> dict[str, tuple[str, ...]]:
    filters = {"colour": _COLOURS, "size": _SIZES, "brand": _BRANDS, "sort": _SORTS}
    return filters | ({"page": (str(page + 1),)} if page * 5 < found else {})


def _orders(path: str, query: dict[str, str]) -> str:
    columns = [one for one in query.get("sort", "").split(",") if one]
    more = [",".join([*columns, one]) for one in _SORTS if one not in columns]
    urls = [f"{path}?{urlencode(query | {'sort': one})}" for one in more]
    return "".join(_link(url) for url in [*urls, f"{path}?{urlencode(query | {'dir': 'down'})}"])


def _calendar(year: int, month: int, day: int | None) -> str:
    if day is not None:
        return f"<p>Nothing on {year}-{month}-{day}.</p>" + _link(f"/calendar/{year}/{month:02}")
    ahead = (year + month // 12, month % 12 + 1)
    back = (year - (month == 1), (month - 2) % 12 + 1)
    days = "".join(
        f"<td>{_link(f'/calendar/{year}/{month:02}/{one}', str(one))}</td>" for one in range(1, 29)
    )
    turns = _link("/calendar/{}/{:02}".format(*ahead)) + _link("/calendar/{}/{:02}".format(*back))
    return f"<table><tr>{days}</tr></table><p>{_MONTHS[month - 1]} {year}</p>{turns}"


_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def _trap(path: str, query: dict[str, str]) -> str | None:
    """Title and body of a trap's page, None if it is none of theirs."""
    target = path + ("?" + urlencode(query) if query else "")
    if match := re.fullmatch(r"/calendar/(\d+)/(\d+)(?:/(\d+))?", path):
        year, month = int(match[1]), int(match[2])
        title = f"{_MONTHS[(month - 1) % 12]} {year}"
        return _page(target, title, _calendar(year, month, int(match[3]) if match[3] else None))
    if path == "/events":
        month, year = int(query.get("month", "5")), int(query.get("year", "2026"))
        ahead = f"/events?month={month % 12 + 1}&year={year + month // 12}"
        back = f"/events?month={(month - 2) % 12 + 1}&year={year - (month == 1)}"
        title = f"Events in {_MONTHS[(month - 1) % 12]} {year}"
        return _page(target, title, "<p>No events.</p>" + _link(ahead) + _link(back))
    if match := re.fullmatch(r"/s/\w+(/.*)", path):
        return _session(match[1], target)
    if path == "/help":
        again = _link(f"/help?ticket={_token(target)}", "Ask again")
        return _page(target, "Help", _text("help") + again)
    if path.startswith("/find/"):
        chosen = path.split("/")[2:-1]
        ways = [one for one in (*_COLOURS, *_SIZES, *_BRANDS) if one not in chosen]
        return _page(target, "Find: " + " ".join(chosen), "".join(_link(f"{o}/") for o in ways))
    if path.startswith("/deep/"):
        return _page(target, "Deep", _text("deep", 1) + "".join(map(_link, _DEEPER)))
    return _list_trap(path, query, target)


_DEEPER = ("more/", "other/", "further/", "more/other/")


def _session(path: str, target: str) -> str:
    """An honest page under a new session, whose links all start new ones."""
    html = _HONEST.get(path, _HONEST["/about"])
    return re.sub(r'href="/(?!s/)', lambda _: f'href="/s/{_token(target)}/', html)


def _list_trap(path: str, query: dict[str, str], target: str) -> str | None:
    if path == "/feed":
        page = int(query.get("page", "1"))
        body = _text("feed") + _link(f"/feed?page={page + 1}", "Older")
        return _page(target, f"Feed, page {page}", body)
    if match := re.fullmatch(r"/archive/page/(\d+)", path):
        return _page(target, "Archive", _text("archive") + _link(str(int(match[1]) + 1), "Older"))
    if path == "/table":
        return _page(target, "Table", _text("table") + _orders(path, query))
    if path == "/login":
        return _page("/", "Sign in", "<form><input name=user><input name=secret></form>")
    if re.fullmatch(r"/articles/\d+", path) and "replytocom" in query:
        return _HONEST.get(path)
    return None


# ---------------------------------------------------------------- the site

_HONEST = _honest()


def answer(target: str) -> Answer:
    """What the site says to a path and query."""
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query))
    if parts.path == "/news":
        return Answer(200, _news(int(query.get("page", "1"))))
    if parts.path == "/shop":
        return Answer(200, _shop(query))
    if not parts.query and parts.path in _HONEST:
        return Answer(200, _HONEST[parts.path])
    html = _trap(parts.path, query)
    return Answer(404, "<h1>Not here</h1>") if html is None else Answer(200, html)


GENUINE = frozenset(
    [
        *_HONEST,
        "/news",
        "/shop",
        *(f"/news?page={page}" for page in range(2, _LIST_PAGES + 1)),
        *(f"/shop?page={page}" for page in range(2, 6)),
    ]
)
"""Path and query of every page that a crawl must bring."""


def trap_of(target: str) -> str:
    """The trap that a path and query belong to, "" if to none."""
    return next((name for name, url in TRAPS.items() if re.match(url, target)), "")


@dataclass
class TrapSite(HttpDouble):
    """The site on a loopback port. `fetched` counts requests by path and query."""

    fetched: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.serve(_Handler, site=self)

    @property
    def base(self) -> str:
        """Base URL without a slash at its end."""
        return self.url

    def note(self, target: str) -> None:
        """Counts a request."""
        with self._lock:
            self.fetched[target] += 1

    def by_trap(self) -> Counter[str]:
        """How many requests each trap got; "" is for those outside of traps."""
        with self._lock:
            counts: Counter[str] = Counter()
            for target, number in self.fetched.items():
                counts[trap_of(target)] += number
            return counts


class _Handler(Handler):
    site: TrapSite

    def do_GET(self) -> None:
        self.site.note(self.path)
        status, html = answer(self.path)
        body = html.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
