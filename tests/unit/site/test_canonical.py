"""A page's real address and what it asks of robots, by cases."""

from __future__ import annotations

import pytest

from windlass.model.outline import Outline
from windlass.site.canonical import Directives, canonical_url, directives_for

PAGE = "https://site.test/dir/page?x=1"
TRUE = "https://site.test/true"


def outline(*canonicals: str, robots: tuple[tuple[str, str], ...] = ()) -> Outline:
    return Outline(canonicals=canonicals, robots=robots)


# links in the page, Link headers, the answer
CANONICAL: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    "in the page": ((TRUE,), (), TRUE),
    "none": ((), (), ""),
    "itself": ((PAGE,), (), ""),
    "itself with a fragment": ((f"{PAGE}#top",), (), ""),
    "with a fragment": ((f"{TRUE}#top",), (), TRUE),
    "another host": (("https://other.test/true",), (), ""),
    "a subdomain": (("https://www.site.test/true",), (), ""),
    "another scheme": (("http://site.test/true",), (), ""),
    "another port": (("https://site.test:8443/true",), (), ""),
    "the same port": (("https://site.test:443/true",), (), TRUE),
    "a user": (("https://site.test@other.test/true",), (), ""),
    "two that differ": ((TRUE, f"{TRUE}/2"), (), ""),
    "no address": (("https://[",), (), ""),
    "in a header": ((), ('<https://site.test/true>; rel="canonical"',), TRUE),
    "relative in a header": ((), ("</true>; rel=canonical",), TRUE),
    "among others in a header": (
        (),
        ('</a,b>; rel=next, </true>; title="x, y"; rel="shortlink canonical", </c>; rel=prev',),
        TRUE,
    ),
    "in both": ((TRUE,), ("</true>; rel=canonical",), TRUE),
    "both differ": ((TRUE,), ("</other>; rel=canonical",), ""),
    "of another relation": ((), ("</true>; rel=alternate",), ""),
    "broken header": ((), ("<<</true; rel=canonical", "<", "", "<>; rel="), ""),
}


@pytest.mark.parametrize("name", CANONICAL)
def test_the_canonical_address_is_believed_within_the_origin(name: str) -> None:
    links, headers, expected = CANONICAL[name]
    assert canonical_url(PAGE, outline(*links), headers) == expected


def test_a_body_that_is_no_page_may_have_headers() -> None:
    assert canonical_url(PAGE, None, ("</true>; rel=canonical",)) == TRUE
    assert directives_for("windlass", None, ("noindex",)).noindex


# meta elements, headers, noindex, nofollow
ASKED: dict[str, tuple[tuple[tuple[str, str], ...], tuple[str, ...], bool, bool]] = {
    "nothing": ((), (), False, False),
    "noindex": ((("robots", "noindex"),), (), True, False),
    "nofollow": ((("robots", "index, nofollow"),), (), False, True),
    "none": ((("robots", "none"),), (), True, True),
    "spaces": ((("robots", " noindex ,nofollow "),), (), True, True),
    "several": ((("robots", "noindex"), ("robots", "nofollow")), (), True, True),
    "for us": ((("robots", "nofollow"), ("windlass", "noindex")), (), True, True),
    "for another": ((("googlebot", "none"), ("description", "none")), (), False, False),
    "part of a word": ((("robots", "noindexing, max-image-preview:none"),), (), False, False),
    "a header": ((), ("NoIndex, nofollow",), True, True),
    "a header for us": ((), ("windlass: noindex",), True, False),
    "a header for another": ((), ("googlebot: noindex, nofollow",), False, False),
    "a header for several": ((), ("googlebot: none, windlass: nofollow",), False, True),
    "a header with values": (
        (),
        ("unavailable_after: 25 Jun 2010 15:00:00 PST, max-snippet: 5, noindex",),
        True,
        False,
    ),
    "an empty header": ((), ("", ",", ":"), False, False),
}


@pytest.mark.parametrize("name", ASKED)
def test_what_a_page_asks_adds_up(name: str) -> None:
    metas, headers, noindex, nofollow = ASKED[name]
    asked = directives_for("Windlass", outline(robots=metas), headers)
    assert asked == Directives(noindex, nofollow)
