"""``verify_webhook`` against the public package ``standardwebhooks``, both ways."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from datetime import datetime, timedelta, timezone

import pytest
from standardwebhooks.webhooks import Webhook

from multi_upload import AuthError, ConfigError, verify_webhook

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
BODY = '{"type":"upload.published","timestamp":"2026-12-01T20:00:00Z","data":{"text":"Zitrone 🍋"}}'


def headers(body: str = BODY, secret: str = SECRET, ago: timedelta = timedelta()) -> dict[str, str]:
    """As the public package signs it."""
    sent = datetime.now(timezone.utc) - ago
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(sent.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", sent, body),
    }


def test_what_the_public_package_signs_is_accepted() -> None:
    for body in (BODY, BODY.encode()):
        event = verify_webhook(body, headers(), SECRET)
        assert event == json.loads(BODY)
    shouted = {name.upper(): value for name, value in headers().items()}
    assert verify_webhook(BODY, shouted | {"X-Other": "1"}, [OTHER, SECRET])["type"]


def test_the_public_package_accepts_the_same_messages() -> None:
    for ago, right in ((0, True), (200, True), (-200, True), (400, False), (-400, False)):
        made = headers(ago=timedelta(seconds=ago))
        answers = []
        for check in (
            lambda made=made: Webhook(SECRET).verify(BODY, made),
            lambda made=made: verify_webhook(BODY, made, SECRET),
        ):
            try:
                answers.append(check() is not None)
            except Exception:
                answers.append(False)
        assert answers == [right, right], ago


def test_several_signatures_may_stand_side_by_side() -> None:
    made = headers()
    made["webhook-signature"] = (
        f"{headers(secret=OTHER)['webhook-signature']} {made['webhook-signature']}"
    )
    for secret in (SECRET, OTHER):
        assert verify_webhook(BODY, made, secret)
        assert Webhook(secret).verify(BODY, made)


def test_nothing_else_is_accepted() -> None:
    made = headers()
    for bit in range(len(BODY.encode()) * 8):
        body = bytearray(BODY.encode())
        body[bit // 8] ^= 1 << bit % 8
        with pytest.raises(AuthError) as caught:
            verify_webhook(bytes(body), made, SECRET)
        assert caught.value.code == "WEBHOOK_SIGNATURE_INVALID"
    for name in made:
        with pytest.raises(AuthError, match=name):
            verify_webhook(BODY, {key: value for key, value in made.items() if key != name}, SECRET)
    with pytest.raises(AuthError):
        verify_webhook(BODY, made, OTHER)
    with pytest.raises(AuthError):
        verify_webhook(BODY, made | {"webhook-id": "msg_2"}, SECRET)
    plain = hmac.new(b"x", BODY.encode(), hashlib.sha256).digest()
    forged = made | {"webhook-signature": "v1," + base64.b64encode(plain).decode()}
    with pytest.raises(AuthError):
        verify_webhook(BODY, forged, SECRET)


def test_a_secret_that_is_none_is_named_but_not_shown() -> None:
    wrong: list[str | list[str]] = ["", "hunter2", "whsec_***", []]
    for secret in wrong:
        with pytest.raises(ConfigError) as caught:
            verify_webhook(BODY, headers(), secret)
        assert "hunter2" not in str(caught.value)
