"""What goes wrong at the network's side: nothing is lost, nothing is posted twice.

Where a person is asked, the board could not be read before the pin was sent. Each such test has a
board of its own: what is known about a board is kept for some minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from support import Service, fault, in_seconds, moment, waits_for

PINS = ("POST", "/v5/pins")
# Not the documented answer, and the account rests for a second.
UNKNOWN_LIMIT = {
    "when": "before",
    "status": 429,
    "headers": {"x-ratelimit-reset": "1"},
    "body": {"message": "slow down"},
}
UNREADABLE = fault("GET", "/v5/boards/*/pins", count=0, status=500)


def events(service: Service, upload: dict[str, Any]) -> list[str]:
    return [e["kind"] for e in service.api.get(f"/v1/uploads/{upload['id']}/events")["items"]]


def limit(seconds: int) -> dict[str, Any]:
    """The documented answer beyond a limit, with the time until it renews."""
    body = {"code": 8, "message": "You have exceeded your rate limit. Try again later."}
    return {"status": 429, "headers": {"x-ratelimit-reset": str(seconds)}, "body": body}


def publish(service: Service, title: str, board: int = 0) -> dict[str, Any]:
    """An upload once nothing more happens to it by itself."""
    [upload] = service.api.wait([service.api.create(**service.pin(title, board))])
    return upload


def unclear(service: Service, board: int, title: str, when: str) -> dict[str, Any]:
    """An upload whose answer was lost, on a board that could not be read before."""
    service.sandbox.faults(fault(*PINS, when=when, body_contains=title, cut={}), UNREADABLE)
    upload = publish(service, title, board)
    assert service.sandbox.struck()[0] == 1
    assert service.sandbox.struck()[1] > 0
    assert upload["status"] == "publishing"
    [target] = upload["targets"]
    assert target["status"] == "needs_review"
    assert target["attempts"] == 1
    error = target["error"]
    assert error["code"] == "OUTCOME_UNKNOWN"
    assert error["retry"] == "after_reconcile"
    assert error["outcome"] == "unknown"
    assert error["target"]["id"] == target["id"]
    assert "resolve" in error["remedy"]
    assert events(service, upload)[-2:] == ["target.armed", "target.needs_review"]
    return upload


def resolve(service: Service, upload: dict[str, Any], **answer: str) -> dict[str, Any]:
    return service.api.post(f"/v1/uploads/{upload['id']}/resolve", answer).ok()


def test_the_token_endpoint_fails_while_an_account_is_connected(service: Service) -> None:
    token = ("POST", "/v5/oauth/token")
    service.sandbox.faults(fault(*token, status=500), fault(*token, nth=2, gateway_page=502))
    assert service.api.connect()["status"] == "active"
    assert service.sandbox.struck() == [1, 1]


def test_the_board_list_is_cut_and_fails(service: Service) -> None:
    boards = ("GET", "/v5/boards")
    service.sandbox.faults(
        fault(*boards, cut={}),
        fault(*boards, nth=2, status=500),
    )
    path = f"/v1/accounts/{quote(service.account['id'], safe='')}/boards"
    found = service.api.get(path, refresh="true", limit=1000)["items"]
    assert len(found) == 31
    assert service.sandbox.struck() == [1, 1]


def test_a_board_list_that_stays_away_is_said_in_words(service: Service) -> None:
    service.sandbox.faults(fault("GET", "/v5/boards", count=0, status=500))
    path = f"/v1/accounts/{quote(service.account['id'], safe='')}/boards?refresh=true"
    answer = service.api.call("GET", path)
    assert answer.status == 502
    assert answer.json["code"] == "PLATFORM_UNAVAILABLE"
    assert answer.json["platform"]["http_status"] == 500
    assert answer.json["retry"] == "yes"


def test_a_limit_is_waited_for(service: Service) -> None:
    service.sandbox.faults(fault(*PINS, body_contains="Limited", **limit(1)))
    upload = service.api.create(**service.pin("Limited"))
    [waiting] = service.api.wait([upload], waits_for("PLATFORM_RATE_LIMITED"))
    assert waiting["targets"][0]["next_attempt_at"]

    [done] = service.api.wait([upload])
    assert done["status"] == "published"
    [target] = done["targets"]
    assert target["attempts"] == 2
    assert target["error"] is None
    assert moment(target["published_at"]) >= moment(waiting["targets"][0]["next_attempt_at"])
    assert service.sandbox.titles()["Limited"] == 1


def test_an_answer_lost_behind_the_commit_is_for_a_person(service: Service) -> None:
    upload = unclear(service, 20, "Lost behind", "after")
    [pin] = service.sandbox.titled("Lost behind")
    done = resolve(service, upload, resolution="published", remote_id=pin["id"])
    assert done["status"] == "published"
    assert done["targets"][0]["remote_id"] == pin["id"]
    assert done["targets"][0]["error"] is None
    assert len(service.sandbox.titled("Lost behind")) == 1


def test_an_answer_lost_ahead_of_the_commit_looks_the_same(service: Service) -> None:
    upload = unclear(service, 21, "Lost ahead", "before")
    assert service.sandbox.titled("Lost ahead") == []
    again = resolve(service, upload, resolution="resend")
    [done] = service.api.wait([again])
    assert done["status"] == "published"
    assert done["targets"][0]["attempts"] == 2
    assert len(service.sandbox.titled("Lost ahead")) == 1


def test_a_person_may_leave_it(service: Service) -> None:
    upload = unclear(service, 22, "Left alone", "before")
    done = resolve(service, upload, resolution="abandon")
    assert done["status"] == "failed"
    assert done["targets"][0]["error"]["code"] == "OUTCOME_UNKNOWN"
    # Nobody has proven that it does not exist.
    again = service.api.post(f"/v1/uploads/{upload['id']}/retry", None)
    assert (again.status, again.json["code"]) == (409, "STATE_CONFLICT")
    assert service.sandbox.titled("Left alone") == []


def test_wrong_answers_of_a_person(service: Service) -> None:
    upload = unclear(service, 23, "Wrong answer", "after")
    path = f"/v1/uploads/{upload['id']}/resolve"
    for answer, pointer in (
        ({"resolution": "published"}, "/remote_id"),
        ({"resolution": "resend", "remote_id": "1"}, "/remote_id"),
        ({"resolution": "maybe"}, "/resolution"),
        ({}, "/resolution"),
        ({"resolution": "resend", "target": "tg_1"}, "/target"),
    ):
        refused = service.api.post(path, answer)
        assert refused.status == 422, answer
        assert [error["pointer"] for error in refused.json["errors"]] == [pointer]
    for call in ("cancel", "retry"):
        assert service.api.post(f"/v1/uploads/{upload['id']}/{call}", None).status == 409
    resolve(service, upload, resolution="abandon")
    assert service.api.post(path, {"resolution": "resend"}).json["code"] == "STATE_CONFLICT"
    assert len(service.sandbox.titled("Wrong answer")) == 1


@pytest.mark.parametrize(
    ("board", "title", "action"),
    [
        (10, "Fails behind", {"when": "after", "status": 500}),
        (11, "Gateway behind", {"when": "after", "gateway_page": 504}),
        (12, "Cut in the head", {"when": "after", "cut": {"at_byte": 9}}),
        (13, "Cut in the body", {"when": "after", "cut": {"after_bytes": 5}}),
        (14, "Redirected", {"when": "before", "redirect": "/v5/pins"}),
        (15, "No id", {"when": "after", "id": "missing"}),
        (16, "Other limit", UNKNOWN_LIMIT),
    ],
)
def test_no_unclear_answer_is_followed_by_a_second_request(
    service: Service, board: int, title: str, action: dict[str, Any]
) -> None:
    before = service.sandbox.count("POST /v5/pins")
    service.sandbox.faults(fault(*PINS, body_contains=title, **action), UNREADABLE)
    upload = publish(service, title, board)
    [target] = upload["targets"]
    assert target["status"] == "needs_review", target
    assert target["error"]["code"] == "OUTCOME_UNKNOWN"
    assert service.sandbox.struck()[0] == 1
    assert service.sandbox.count("POST /v5/pins") == before + 1
    assert len(service.sandbox.titled(title)) == (action["when"] == "after")


def test_a_refusal_is_final_and_in_the_networks_words(service: Service) -> None:
    body = {"code": 235, "message": "Sorry! Your image is broken."}
    service.sandbox.faults(fault(*PINS, body_contains="Broken", status=403, body=body))
    upload = publish(service, "Broken")
    assert upload["status"] == "failed"
    error = upload["targets"][0]["error"]
    assert error["code"] == "PLATFORM_REJECTED"
    assert error["platform"]["code"] == "235"
    assert error["platform"]["message"] == body["message"]
    assert error["outcome"] == "none"
    # A person may try it again once the reason is gone.
    again = service.api.post(f"/v1/uploads/{upload['id']}/retry", None).ok()
    [done] = service.api.wait([again])
    assert done["status"] == "published"
    assert len(service.sandbox.titled("Broken")) == 1


def test_an_expired_token_is_renewed_and_the_pin_made_once(service: Service) -> None:
    renewals = service.sandbox.count("POST /v5/oauth/token")
    body = {"code": 2, "message": "Authentication failed."}
    service.sandbox.faults(fault(*PINS, body_contains="Expired", status=401, body=body))
    upload = publish(service, "Expired")
    assert upload["status"] == "published"
    assert upload["targets"][0]["attempts"] == 2
    assert len(service.sandbox.titled("Expired")) == 1
    assert service.sandbox.count("POST /v5/oauth/token") == renewals + 1
    assert service.api.get("/v1/accounts")["items"][0]["status"] == "active"


def test_a_late_upload_is_missed_not_sent(service: Service) -> None:
    service.sandbox.faults(fault(*PINS, body_contains="Too late", count=0, **limit(2)))
    fields = service.pin("Too late", late={"send_within": "1s"}, scheduled_at=in_seconds(0.1))
    [upload] = service.api.wait([service.api.create(**fields)])
    assert upload["status"] == "missed"
    assert "rate" in upload["targets"][0]["error"]["detail"].lower()
    assert service.sandbox.titled("Too late") == []


def test_revoked_tokens_need_the_person_and_lose_nothing(tmp_path: Path) -> None:
    with Service(tmp_path, "--sandbox") as service:
        service.connect()
        service.sandbox.faults(fault(*PINS, revoke_token=True))
        upload = service.api.create(**service.pin("Revoked"))
        service.api.wait([upload], waits_for("ACCOUNT_RECONNECT_REQUIRED"))
        [account] = service.api.get("/v1/accounts")["items"]
        assert account["status"] == "reconnect_required"
        assert service.sandbox.titles()["Revoked"] == 0

        assert service.api.connect()["status"] == "active"
        [done] = service.api.wait([upload], seconds=10)
        assert done["status"] == "published"
        assert service.sandbox.titles()["Revoked"] == 1
