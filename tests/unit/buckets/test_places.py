"""Bucket URLs, and who may write where."""

from __future__ import annotations

import pytest

from windlass.buckets.places import Place, allowed
from windlass.errors import StorageRejected
from windlass.settings import Settings, parse_grants


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("s3://lake/a/b.json", ("s3", "lake", "a/b.json")),
        ("gs://my.bucket.com/a/", ("gs", "my.bucket.com", "a/")),
        ("s3://lake", ("s3", "lake", "")),
        ("s3://lake/", ("s3", "lake", "")),
        ("s3://lake/%2e%2e/a?b#c d", ("s3", "lake", "%2e%2e/a?b#c d")),
        ("s3://lake/a..b/…", ("s3", "lake", "a..b/…")),
    ],
)
def test_a_url_names_a_bucket_and_a_key(url: str, parts: tuple[str, str, str]) -> None:
    place = Place.of(url)
    assert (place.scheme, place.bucket, place.key) == parts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "lake/a",
        "ftp://lake/a",
        "s3:///a",
        "s3://la@evil.test/a",
        "s3://la:80/a",
        "s3://x/a",
        "s3://-lake/a",
        "s3://lake/a/../b",
        "s3://lake/./b",
        "s3://lake/..",
        "s3://lake//a",
        "s3://lake/a//b",
        "s3://lake/a\\b",
        "s3://lake/a\nb",
        "s3://lake/a\x00",
    ],
)
def test_what_could_be_mistaken_is_no_place(url: str) -> None:
    with pytest.raises(StorageRejected):
        Place.of(url)


GRANTS = "main=s3://lake/,team=s3://lake/team;gs://pool/a/b/,*=s3://drop/"


@pytest.mark.parametrize(
    ("account", "url", "may"),
    [
        ("main", "s3://lake/x.json", True),
        ("main", "s3://lake/", True),
        ("main", "s3://lake", True),
        ("main", "gs://lake/x.json", False),
        ("main", "s3://lakes/x.json", False),
        ("team", "s3://lake/team/x.json", True),
        ("team", "s3://lake/team", True),
        ("team", "s3://lake/teams/x.json", False),
        ("team", "s3://lake/team/../x.json", False),
        ("team", "s3://lake/x.json", False),
        ("team", "gs://pool/a/b/c/x.json", True),
        ("team", "gs://pool/a/x.json", False),
        ("team", "s3://drop/x.json", True),
        ("nobody", "s3://drop/x.json", True),
        ("nobody", "s3://lake/x.json", False),
        ("team", "not a url", False),
    ],
)
def test_accounts_write_where_they_were_let(account: str, url: str, may: bool) -> None:
    settings = Settings(storage_allow=parse_grants(GRANTS))
    assert allowed(settings, account, url) is may


def test_without_a_list_every_place_is_open_but_no_nonsense() -> None:
    assert allowed(Settings(), "anybody", "s3://anywhere/x")
    assert not allowed(Settings(), "anybody", "s3://anywhere/../x")


@pytest.mark.parametrize(
    "text",
    [
        "main",
        "main=",
        "main=lake",
        "main=https://lake/",
        "=s3://lake/",
        "main=s3://",
        "main=s3://lake/../x",
        "main=s3://lake//x",
        "main=s3://lake;",
    ],
)
def test_a_list_that_says_nothing_clear_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_grants(text)
