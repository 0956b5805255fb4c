"""Several accounts in one upload, and accounts that leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import consent
import pytest
from support import Api, Service, fault, in_seconds, waits_for

PINS = ("POST", "/v5/pins")


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Service, str, str]]:
    """A service with two accounts: the service, the second account, a board of its own."""
    with Service(tmp_path, "--sandbox") as service:
        service.connect()
        session = service.api.post("/v1/accounts/connect", {"platform": "pinterest"}).ok(201)
        consent.allow(session["authorize_url"] + "&user=sandbox_friends")
        [friend] = [
            account["id"]
            for account in service.api.get("/v1/accounts")["items"]
            if account["name"] == "sandbox_friends"
        ]
        [board] = service.api.boards(friend)
        yield service, friend, board["id"]


def test_one_upload_goes_to_two_accounts(two: tuple[Service, str, str]) -> None:
    service, friend, board = two
    both = service.pin("Both", accounts=[service.account["id"], friend])
    # A board belongs to an account: for the second one another is needed.
    refused = service.api.post("/v1/upload", both)
    assert refused.status == 422
    assert friend in refused.json["errors"][0]["detail"]

    overrides = {friend: {"board_id": board, "description": "For friends"}}
    [upload] = service.api.wait([service.api.create(**both, overrides=overrides)])
    assert upload["status"] == "published"
    made = {pin["board_id"]: pin["description"] for pin in service.sandbox.titled("Both")}
    assert made == {service.boards[0]["id"]: None, board: "For friends"}


def test_what_fails_on_one_account_is_partial(two: tuple[Service, str, str]) -> None:
    service, friend, board = two
    body = {"code": 235, "message": "Sorry! Your image is broken."}
    service.sandbox.faults(fault(*PINS, body_contains=board, status=403, body=body))
    fields = service.pin("Half", accounts=[service.account["id"], friend])
    fields["overrides"] = {friend: {"board_id": board}}
    [upload] = service.api.wait([service.api.create(**fields)])
    assert upload["status"] == "partial"
    assert [target["status"] for target in upload["targets"]] == ["published", "failed"]

    # Only what failed is tried again.
    again = service.api.post(f"/v1/uploads/{upload['id']}/retry", None).ok()
    [done] = service.api.wait([again])
    assert done["status"] == "published"
    assert sorted(p["board_id"] for p in service.sandbox.titled("Half")) == sorted(
        [service.boards[0]["id"], board]
    )


def test_a_key_for_one_account_does_not_see_the_other(two: tuple[Service, str, str]) -> None:
    service, friend, board = two
    [key] = service.command(
        "keys", "create", "--data", str(service.data), "--test", "--accounts", friend
    )
    caller = Api(service.api.url, key["key"])
    assert [account["id"] for account in caller.get("/v1/accounts")["items"]] == [friend]
    own = service.account["id"]
    answer = caller.call("GET", f"/v1/accounts/{quote(own, safe='')}/boards")
    assert (answer.status, answer.json["code"]) == (403, "ACCOUNT_NOT_ALLOWED")
    mixed = service.pin("Mixed", accounts=[own, friend], overrides={friend: {"board_id": board}})
    assert caller.post("/v1/upload", mixed).json["code"] == "ACCOUNT_NOT_ALLOWED"
    [upload] = caller.wait([caller.create(**service.pin("Own", accounts=[friend], board_id=board))])
    assert upload["status"] == "published"


def test_a_disconnected_account_is_gone_with_its_tokens(service: Service) -> None:
    upload = service.api.create(**service.pin("Left", scheduled_at=in_seconds(1)))
    path = f"/v1/accounts/{quote(service.account['id'], safe='')}"
    service.api.call("DELETE", path).ok(204)
    assert service.api.get("/v1/accounts")["items"] == []
    assert service.api.call("GET", f"{path}/boards").status == 404
    refused = service.api.post("/v1/upload", service.pin("Too late"))
    assert refused.status == 422
    assert "POST /v1/accounts/connect" in refused.json["errors"][0]["detail"]

    service.api.wait([upload], waits_for("ACCOUNT_RECONNECT_REQUIRED"))
    assert service.sandbox.titled("Left") == []
    service.connect()
    [done] = service.api.wait([upload], seconds=10)
    assert done["status"] == "published"
    assert len(service.sandbox.titled("Left")) == 1
