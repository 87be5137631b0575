"""What a webhook's headers are made of, and what callers cannot do to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from windlass.errors import WebhookUnsendable
from windlass.settings import parse_secret
from windlass.storage.accounts import new_webhook_secret
from windlass.webhooks import Post
from windlass.webhooks.headers import compose
from windlass.webhooks.signing import signatures

# The example that the Standard Webhooks project publishes.
KNOWN_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
KNOWN_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
DELIVERY = UUID("8e8cfde8-345b-42b8-b3e2-0c61eb11e00f")


def post(secrets: tuple[str, ...] = (), **headers: str) -> Post:
    """A post with these headers, underscores for hyphens."""
    return Post(
        url="http://receiver.test/",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body='{"a":"ü"}'.encode(),
        delivery_id=DELIVERY,
        attempt=3,
        secrets=secrets,
    )


def test_the_published_example_is_signed_as_published() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    body = b'{"test": 2432232314}'
    made = signatures([KNOWN_SECRET], "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    assert made == KNOWN_SIGNATURE


def test_every_active_secret_signs_and_each_one_verifies() -> None:
    old, new, other = new_webhook_secret(), new_webhook_secret(), new_webhook_secret()
    headers = compose(post((old, new)), "", datetime.now(UTC))
    assert headers["webhook-signature"].count("v1,") == 2
    for secret in (old, new):
        Webhook(secret).verify(post().body, dict(headers))
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(post().body, dict(headers))


def test_a_clock_in_another_zone_signs_the_same_moment() -> None:
    now = datetime.now(UTC)
    abroad = now.astimezone(timezone(timedelta(hours=9)))
    assert compose(post((KNOWN_SECRET,)), "", abroad) == compose(post((KNOWN_SECRET,)), "", now)


def test_without_secrets_there_is_no_signature() -> None:
    headers = compose(post(), "", datetime.now(UTC))
    assert "webhook-signature" not in headers
    assert headers["webhook-id"] == str(DELIVERY)


def test_new_secrets_are_fit_for_the_setting_and_all_different() -> None:
    made = {new_webhook_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(parse_secret(secret) == secret for secret in made)


def test_both_names_carry_the_delivery_id_and_the_attempt_is_counted() -> None:
    headers = compose(post(), "", datetime.now(UTC))
    assert headers["webhook-id"] == headers["X-Nimble-Delivery-Id"] == str(DELIVERY)
    assert headers["X-Nimble-Attempt"] == "3"
    assert headers["Content-Type"] == "application/json"
    assert headers["User-Agent"].startswith("Windlass/")


def test_custom_headers_arrive_verbatim() -> None:
    headers = compose(post(X_tOken="  a=b; c\t", cookie="s=1"), "", datetime.now(UTC))
    assert ("X-tOken", "  a=b; c\t") in headers.items()
    assert ("cookie", "s=1") in headers.items()


def test_a_custom_header_replaces_the_usual_one_whatever_its_case() -> None:
    headers = compose(post(uSer_agent="mine"), "", datetime.now(UTC))
    assert headers.getall("User-Agent") == ["mine"]


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Content-Type",
        "Content-Encoding",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "TE",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Authorization",
        "Webhook-Id",
        "webhook-timestamp",
        "webhook-signature",
        "X-Nimble-Attempt",
        "X-NIMBLE-delivery-id",
    ],
)
def test_what_frames_or_identifies_a_webhook_is_not_the_callers(name: str) -> None:
    headers = compose(post(**{name: "theirs"}), "", datetime.now(UTC))
    assert "theirs" not in headers.values()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-B: c"),
        ("X-A", "a\nb"),
        ("X-A", "a\x00b"),
        ("X-A", "\ud800"),
        ("X A", "b"),
        ("X:A", "b"),
        ("", "b"),
        ("X-Ä", "b"),
        ("X-A\r\nX-B", "c"),
    ],
)
def test_a_header_that_would_break_the_request_is_refused(name: str, value: str) -> None:
    with pytest.raises(WebhookUnsendable):
        compose(post(**{name: value}), "", datetime.now(UTC))


def test_a_refused_header_does_not_show_its_value() -> None:
    with pytest.raises(WebhookUnsendable) as caught:
        compose(post(Authorization="Bearer s3cret\n"), "", datetime.now(UTC))
    assert "s3cret" not in caught.value.public_message


def test_user_info_gives_way_to_the_callers_own_authorization() -> None:
    now = datetime.now(UTC)
    assert compose(post(), "Basic dTpw", now)["Authorization"] == "Basic dTpw"
    own = compose(post(authorization="Bearer x"), "Basic dTpw", now)
    assert own.getall("Authorization") == ["Bearer x"]
