"""Post-processors by themselves: locales, relative dates, what is refused, what they may cost."""

from __future__ import annotations

import json
import string
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from windlass.errors import InvalidRequest, Problem
from windlass.model.recipe import PostProcessor
from windlass.parsing.faults import Spot
from windlass.parsing.postprocess import POST_PROCESSORS, compile_post
from windlass.parsing.reading import POST_PROCESSORS as READ
from windlass.parsing.recipes import compile_recipe
from windlass.parsing.run import RecipeStopped

quick = settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])


class Page:
    """A setting with bounds, at a moment of its own."""

    base = "https://shop.test/p/1"
    now = datetime(2026, 3, 1, 10, 0, 5, 123, tzinfo=UTC)

    def __init__(self, language: str = "", *, room: int = 100_000) -> None:
        self.language = language
        self.room = room
        self.spent = 0

    def spend(self, values: int) -> None:
        self.spent += values

    def give(self, text: str) -> str:
        self.room -= len(text)
        if self.room < 0:
            raise RecipeStopped("too much")
        return text


def made(spec: dict[str, Any], value: Any, page: Page | None = None) -> Any:
    problems: list[Problem] = []
    apply = compile_post(msgspec.convert(spec, PostProcessor), Spot(problems))
    assert problems == []
    return apply(value, page or Page())


def wrong(spec: Any) -> dict[str, str]:
    """Message by place."""
    recipe = {"type": "terminal", "extractor": {"type": "text", "post_processor": spec}}
    with pytest.raises(InvalidRequest) as caught:
        compile_recipe(recipe, "/parser")
    prefix = "/parser/extractor/post_processor"
    return {each.path.removeprefix(prefix): each.message for each in caught.value.problems}


def test_every_post_processor_that_can_be_written_is_there() -> None:
    assert {POST_PROCESSORS.get(name) is not None for name in READ} == {True}


# --------------------------------------------------------------------- numbers by locale

NUMBERS = [
    ("en", "1,234.5", 1234.5),
    ("en", "1,234", 1234),
    ("en", "1.234", 1.234),
    ("en-IN", "1,23,456.50", 123456.5),
    ("de", "1.234,5", 1234.5),
    ("de", "1.234", 1234),
    ("de", "1,234", 1.234),
    ("de", "1,234.5", 1234.5),
    ("de-AT", "1.234,50", 1234.5),
    ("de_CH", "1’234.50", 1234.5),
    ("de_CH", "1.234", 1.234),
    ("fr", "1 234,5", 1234.5),
    ("fr", "1\u202f234", 1234),
    ("fr", "12 345,6 k", 12345600),
    ("fr", "2 Md €", 2_000_000_000),
    ("es", "1.234", 1234),
    ("es", "3,5 millones", 3_500_000),
    ("es-MX", "1,234.5", 1234.5),
    ("it", "1.234,5", 1234.5),
    ("it", "2 Mln €", 2_000_000),
    ("pt-BR", "R$ 1.234,56", 1234.56),
    ("pt-BR", "3 mil", 3000),
    ("nl", "€ 1.234,-", 1234),
    ("nl", "2 mln.", 2_000_000),
    ("sv", "1 234,5 kr", 1234.5),
    ("sv", "\u22121 234", -1234),
    ("nb", "kr 1 234,50", 1234.5),
    ("da", "1.234,50 kr.", 1234.5),
    ("fi", "1 234,5 €", 1234.5),
    ("pl", "1 234,56 zł", 1234.56),
    ("pl", "2 tys.", 2000),
    ("cs", "1 234,50 Kč", 1234.5),
    ("ru", "1 234,5 ₽", 1234.5),
    ("ru", "3 тыс.", 3000),
    ("ru", "2,5 млн", 2_500_000),
    ("uk", "1 234,5 грн", 1234.5),
    ("tr", "1.234,56 TL", 1234.56),
    ("tr", "5 B", 5000),
    ("tr", "2 Mn", 2_000_000),
    ("el", "1.234,5", 1234.5),
    ("he", "1,234.5", 1234.5),
    ("ar", "١٬٢٣٤٫٥", 1234.5),
    ("ar", "٣ مليون", 3_000_000),
    ("ar-EG", "\u200f-١٢", -12),
    ("fa", "۱۲۳٬۴۵۶", 123456),
    ("hi", "१,२३,४५६", 123456),
    ("hi", "3 करोड़", 30_000_000),
    ("ja", "1,234円", 1234),
    ("ja", "1.5万円", 15_000),
    ("zh-CN", "3.2亿", 320_000_000),
    ("zh-TW", "1,234萬", 12_340_000),
    ("ko", "1억 5", 100_000_000),
    ("vi", "1.234,5", 1234.5),
    ("id", "Rp1.234.567", 1234567),
    ("th", "๑,๒๓๔.๕", 1234.5),
]


@pytest.mark.parametrize(("locale", "text", "number"), NUMBERS)
def test_a_number_is_read_as_its_locale_writes_it(locale: str, text: str, number: float) -> None:
    found = made({"type": "number", "locale": locale}, text)
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize("locale", ["en", "de", "fr", "de_CH", "ru", "sv", "pt_BR", "ja", "tr"])
@given(number=st.decimals(-(10**12), 10**12, places=2, allow_nan=False))
@settings(deadline=None, max_examples=40)
def test_a_number_comes_back_as_babel_wrote_it(locale: str, number: Any) -> None:
    from babel.numbers import format_decimal

    text = format_decimal(number, format="#,##0.00", locale=locale)
    assert made({"type": "number", "locale": locale}, text) == float(number)


def test_what_no_float_holds_is_null() -> None:
    assert made({"type": "number"}, "1e999") is None
    assert made({"type": "number", "force_type": "float"}, 10**400) is None


# --------------------------------------------------------------------- dates by language

DATES = [
    ("", "3 days ago", "2026-02-26T10:00:05"),
    ("", "an hour ago", "2026-03-01T09:00:05"),
    ("", "in 2 hours", "2026-03-01T12:00:05"),
    ("", "2 weeks ago", "2026-02-15T10:00:05"),
    ("", "yesterday", "2026-02-28T10:00:05"),
    ("", "just now", "2026-03-01T10:00:05"),
    ("", "12:30", "2026-03-01T12:30:00"),
    ("", "12 March", "2026-03-12T00:00:00"),
    ("", "2026", "2026-01-01T00:00:00"),
    ("", "Mar 1, 2026 2:30 pm EST", "2026-03-01T14:30:00-05:00"),
    ("de", "vor 3 Tagen", "2026-02-26T10:00:05"),
    ("de", "gestern", "2026-02-28T10:00:05"),
    ("de-AT", "1. März 2026, 14:30", "2026-03-01T14:30:00"),
    ("fr", "il y a 2 heures", "2026-03-01T08:00:05"),
    ("fr", "1er mars 2026", "2026-03-01T00:00:00"),
    ("es", "hace 3 días", "2026-02-26T10:00:05"),
    ("it", "10 febbraio 2026", "2026-02-10T00:00:00"),
    ("pt-BR", "há 3 dias", "2026-02-26T10:00:05"),
    ("nl", "2 uur geleden", "2026-03-01T08:00:05"),
    ("sv", "den 1 mars 2026", "2026-03-01T00:00:00"),
    ("no", "i går", "2026-02-28T10:00:05"),
    ("fi", "1.3.2026 klo 14.30", "2026-03-01T14:30:00"),
    ("pl", "1 marca 2026", "2026-03-01T00:00:00"),
    ("ru", "3 дня назад", "2026-02-26T10:00:05"),
    ("tr", "3 gün önce", "2026-02-26T10:00:05"),
    ("ar", "منذ 3 أيام", "2026-02-26T10:00:05"),
    ("ja", "3日前", "2026-02-26T10:00:05"),
    ("zh-TW", "3天前", "2026-02-26T10:00:05"),
    ("ko", "3일 전", "2026-02-26T10:00:05"),
    ("ko", "2026. 3. 1.", "2026-03-01T00:00:00"),
    ("vi", "2 giờ trước", "2026-03-01T08:00:05"),
    ("en-US", "03/04/2026", "2026-03-04T00:00:00"),
    ("en-GB", "03/04/2026", "2026-04-03T00:00:00"),
    ("de", "03.04.2026", "2026-04-03T00:00:00"),
    ("de", "3 days ago", "2026-02-26T10:00:05"),
    ("xx-nonsense", "3 days ago", "2026-02-26T10:00:05"),
]


@pytest.mark.parametrize(("language", "text", "moment"), DATES)
def test_a_date_is_read_in_the_language_of_its_page(language: str, text: str, moment: str) -> None:
    assert made({"type": "date"}, text, Page(language)) == moment


@given(st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)))
@settings(deadline=None, max_examples=100)
def test_a_moment_comes_back_as_iso_and_rfc_822_wrote_it(moment: datetime) -> None:
    from email.utils import format_datetime

    assert made({"type": "date"}, moment.isoformat()) == moment.isoformat()
    whole = moment.replace(tzinfo=UTC, microsecond=0)
    assert made({"type": "date"}, format_datetime(whole)) == whole.isoformat()


@given(st.text(alphabet="1234 /:-.,+marchgoydn日月年前", max_size=100))
@example("1:" * 50)
@example("+1" * 50)
@example("mar " * 25)
@settings(deadline=5_000, max_examples=60)
def test_no_text_is_a_date_for_long(text: str) -> None:
    found = made({"type": "date"}, text, Page("es"))
    assert found is None or isinstance(found, str)


def test_reading_dates_is_counted() -> None:
    page = Page()
    made({"type": "date"}, "3 days ago", page)
    assert page.spent >= 1_000


# --------------------------------------------------------------------- what is refused

REFUSED: list[tuple[Any, str, str]] = [
    ({"type": "regex"}, "", "'regex'"),
    ({"type": "regex", "regex": "("}, "/regex", "does not compile"),
    ({"type": "regex", "pattern": "(?=a)"}, "/pattern", "look-around"),
    ({"type": "regex", "regex": r"(a)\1"}, "/regex", "back-references"),
    ({"type": "regex", "regex": "(a)", "group": 2}, "/group", "the groups of the regex: 0, 1"),
    ({"type": "regex", "regex": "(a)", "group": -1}, "/group", "the groups of the regex: 0, 1"),
    ({"type": "regex", "regex": "(?P<x>a)", "group": "y"}, "/group", "0, 1, x"),
    ({"type": "regex", "regex": "a", "group": 1.5}, "/group", "must be"),
    ({"type": "format"}, "", "'format'"),
    ({"type": "format", "format": "{data"}, "/format", "must be a format with {data}"),
    ({"type": "format", "format": "{}"}, "/format", "accepted: {data}"),
    ({"type": "format", "format": "{0}"}, "/format", "accepted: {data}"),
    ({"type": "format", "format": "{value}"}, "/format", "accepted: {data}"),
    ({"type": "format", "format": "{data.real}"}, "/format", "accepted: {data}"),
    ({"type": "format", "format": "{data[0]}"}, "/format", "accepted: {data}"),
    ({"type": "format", "format": "{data!r}"}, "/format", "conversion"),
    ({"type": "format", "format": "{data:{data}}"}, "/format", "format spec"),
    ({"type": "format", "format": "{data:>9999}"}, "/format", "wider"),
    ({"type": "format", "format": "{data:.99999f}"}, "/format", "wider"),
    ({"type": "format", "format": "{data:%Y}"}, "/format", "format spec"),
    ({"type": "format", "format": "{data}" * 101}, "/format", "more than 100 times"),
    ({"type": "date", "format": "%Q"}, "/format", "'%Q'"),
    ({"type": "date", "format": "%s"}, "/format", "'%s'"),
    ({"type": "date", "format": "100%"}, "/format", "'%'"),
    ({"type": "date", "format": "%-Z"}, "/format", "'%-Z'"),
    ({"type": "date", "format": "%99999999d"}, "/format", "'%9'"),
    ({"type": "date", "format": "a\0b"}, "/format", "U+0000"),
    ({"type": "date", "format": "x" * 500}, "/format", "200 characters"),
    ({"type": "date", "locale": "xx"}, "/locale", "such as 'de'"),
    ({"type": "boolean"}, "", "'condition'"),
    ({"type": "boolean", "condition": "is"}, "/condition", "contains, exists, regex"),
    ({"type": "boolean", "condition": "contains"}, "", "'contains'"),
    ({"type": "boolean", "condition": "regex"}, "", "'regex'"),
    ({"type": "boolean", "condition": "regex", "regex": "["}, "/regex", "does not compile"),
    ({"type": "boolean", "condition": "exists", "not": "no"}, "/not", "boolean"),
    ({"type": "number", "locale": "de_XX"}, "/locale", "such as 'de'"),
    ({"type": "number", "locale": "x" * 999}, "/locale", "such as 'de'"),
    ({"type": "number", "locale": "../en"}, "/locale", "such as 'de'"),
    ({"type": "number", "force_type": "str"}, "/force_type", "int, float"),
    ({"type": "url", "base": "x"}, "", "'base'"),
    ({"type": "sequence", "sequence": []}, "/sequence", "fewer than 1"),
    (
        {"type": "sequence", "sequence": [{"type": "trim"}, {"type": "format", "format": "{x}"}]},
        "/sequence/1/format",
        "accepted: {data}",
    ),
    ([{"type": "trim"}, [{"type": "number", "locale": "??"}]], "/1/0/locale", "such as 'de'"),
]


@pytest.mark.parametrize(("spec", "place", "accepted"), REFUSED)
def test_a_wrong_post_processor_is_refused_with_what_is_accepted(
    spec: Any, place: str, accepted: str
) -> None:
    problems = wrong(spec)
    assert list(problems) == [place]
    assert accepted in problems[place]


@pytest.mark.parametrize("tag", ["de", "de-CH", "de_CH", "DE-ch", "zh-Hant-TW", "zh_TW", "iw"])
def test_locales_are_taken_as_people_write_them(tag: str) -> None:
    assert made({"type": "number", "locale": tag}, "5") == 5


# --------------------------------------------------------------------- what they may cost


def test_a_chain_of_formats_does_not_grow_without_end() -> None:
    steps = [{"type": "format", "format": "{data}" * 100}] * 20
    page = Page(room=10**7)
    assert made({"type": "sequence", "sequence": steps}, "xx", page) is None
    assert page.room > 0


def test_what_grows_is_counted() -> None:
    page = Page(room=50)
    with pytest.raises(RecipeStopped):
        made({"type": "url"}, ["", "", "", ""], page)
    with pytest.raises(RecipeStopped):
        made({"type": "format", "format": "{data:>90}"}, "x", Page(room=50))
    with pytest.raises(RecipeStopped):
        made({"type": "uppercase"}, "ß" * 30, Page(room=50))


@pytest.mark.parametrize("name", sorted(READ))
def test_a_megabyte_is_read_in_a_moment(name: str) -> None:
    needed: dict[str, Any] = {
        "regex": {"regex": r"(\d+,)+$"},
        "format": {"format": "{data}"},
        "boolean": {"condition": "regex", "regex": r"(\d+ )+$"},
        "sequence": {"sequence": [{"type": "number"}]},
    }
    spec = {"type": name} | needed.get(name, {})
    for text in ("1," * 500_000, "1" * 1_000_000, "x-" * 500_000, "٣ " * 500_000, " " * 1_000_000):
        began = time.thread_time()
        made(spec, text, Page("de", room=10**8))
        assert time.thread_time() - began < 2


# --------------------------------------------------------------------- anything on anything

SPECS: st.SearchStrategy[dict[str, Any]] = st.deferred(
    lambda: (
        st.sampled_from(
            [{"type": name} for name in ("url", "country", "string", "trim", "lowercase")]
            + [{"type": "uppercase"}]
        )
        | st.builds(
            lambda regex, group: {"type": "regex", "regex": regex, "group": group},
            st.sampled_from([r"(\d+)", "(a)|(b)", "(.*)", "(^|x)"]),
            st.sampled_from([0, 1]),
        )
        | st.builds(
            lambda shape: {"type": "format", "format": f"<{{data{shape}}}>"},
            st.sampled_from(["", ":>9", ":,.2f", ":d", ":x", ":c", ":%", ":09.3e", ":^5s", ":n"]),
        )
        | st.builds(
            lambda form, locale: {"type": "date", "format": form, "locale": locale},
            st.sampled_from(["", "%Y-%m-%d", "%A %-d %B %y %z %Z"]),
            st.sampled_from(["", "de", "ja"]),
        )
        | st.builds(
            lambda condition, negate: {
                "type": "boolean",
                "condition": condition,
                "contains": "a",
                "regex": r"\d",
                "not": negate,
            },
            st.sampled_from(["contains", "exists", "regex"]),
            st.booleans(),
        )
        | st.builds(
            lambda locale, force: {"type": "number", "locale": locale, "force_type": force},
            st.sampled_from(["", "de", "ar", "hi", "tr"]),
            st.sampled_from(["", "int", "float"]),
        )
        | st.builds(
            lambda steps: {"type": "sequence", "sequence": steps},
            st.lists(SPECS, min_size=1, max_size=3),
        )
    )
)
TEXTS = (
    st.text(max_size=40)
    | st.text(alphabet=string.digits + ".,'- $€%kMe٣٫١万億()/:\u00a0", max_size=30)
    | st.sampled_from(
        ["3 days ago", "2026-03-01", "Germany", "/a", "//", "1e308", "9" * 400, "\ud800"]
    )
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=6,
)


@quick
@given(SPECS, ANYTHING, st.sampled_from(["", "de", "ar", "zz"]))
def test_anything_is_made_into_json_within_bounds(spec: Any, value: Any, language: str) -> None:
    page = Page(language)
    found = made(spec, value, page)
    assert len(json.dumps(found, allow_nan=False)) <= 20 * len(json.dumps(value)) + 20_000


def _nulls_stay(spec: dict[str, Any]) -> bool:
    if spec["type"] == "sequence":
        return all(map(_nulls_stay, spec["sequence"]))
    return bool(spec["type"] != "boolean" or spec["condition"] != "exists")


@quick
@given(SPECS.filter(_nulls_stay))
def test_null_stays_null_but_for_exists(spec: Any) -> None:
    assert made(spec, None) is None
    assert made({"type": "boolean", "condition": "exists"}, None) is False
