"""`windlass storage`: what a bucket's owner has to set up, and whether it works. No server needed.

Acts with the settings of this machine, as the workers here would.
"""

from __future__ import annotations

import asyncio

from windlass.buckets import policy
from windlass.buckets.identity import google_account
from windlass.buckets.places import Place
from windlass.buckets.probe import Code, Finding, Mode, probe
from windlass.cli import exits
from windlass.cli.output import note, print_json, write_text
from windlass.errors import InvalidRequest, StorageRejected
from windlass.settings import load

STATUSES: dict[Code, int] = {
    "ok": 0,
    "empty": 0,
    "access_denied": exits.REFUSED,
    "no_such_bucket": exits.ABSENT,
    "failed": exits.UNREACHABLE,
}


def show_policy(url: str, wanted: policy.Wanted, as_json: bool) -> None:
    """Prints what to set up for a prefix; of `wanted`, bucket and prefix are read from the URL."""
    place = _prefix(url)
    google = place.scheme == "gs"
    setup = (policy.for_gcs if google else policy.for_s3)(
        policy.Wanted(
            bucket=place.bucket,
            prefix=place.key,
            principal=wanted.principal or (_google_account() if google else ""),
            purpose=wanted.purpose,
            key=wanted.key,
        )
    )
    if as_json:
        documents = {step.name: step.document for step in setup.steps}
        print_json({"principal": setup.principal, **documents, "notes": setup.notes})
        return
    for step in setup.steps:
        write_text(f"{step.title}:\n")
        print_json(step.document)
        for command in step.commands:
            write_text(f"$ {command}")
        write_text("")
    for line in setup.notes:
        note(f"note: {line}")


def test(url: str, mode: Mode, as_json: bool) -> int:
    """Tests a prefix, prints what was found, and returns the exit status."""
    found = asyncio.run(probe(load().settings, _prefix(url), mode))
    if as_json:
        print_json(found)
    else:
        write_text(_told(found))
    return STATUSES[found.code]


def _told(found: Finding) -> str:
    lines = [found.message]
    if found.cause:
        lines.append(f"cause: {found.cause}")
    if found.fix:
        lines.append(f"fix: {found.fix}")
    return "\n".join(lines)


def _prefix(url: str) -> Place:
    try:
        place = Place.of(url)
    except StorageRejected as error:
        raise InvalidRequest(error.message) from error
    return place if place.key.endswith("/") or not place.key else Place.of(f"{url}/")


def _google_account() -> str:
    """The server's own service account, if the settings name a key file; it is not asked for."""
    settings = load().settings
    return google_account(settings) if settings.google_application_credentials else ""
