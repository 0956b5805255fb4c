"""The example of the product page, and what can be asked about it afterwards."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

from support import PATIENCE, PICTURE, ROOT, Answer, Service, clean_environment, in_seconds, moment

EXAMPLE = ROOT / "examples" / "curl" / "first_pin.sh"


def filled_in(service: Service, board: str) -> str:
    """The example with a time that a test can wait for."""
    script, changed = re.subn(
        r'"scheduled_at": "[^"]*"', f'"scheduled_at": "{in_seconds(1)}"', EXAMPLE.read_text()
    )
    assert changed == 1
    script, changed = re.subn(r'"image_url": "[^"]*"', f'"image_url": "{PICTURE}"', script)
    assert changed == 1
    return script


def send(service: Service, board: str) -> dict[str, Any]:
    """Runs the example; without curl its body is sent."""
    script = filled_in(service, board)
    account = service.account["id"]
    if not shutil.which("curl"):
        [body] = re.findall(r"-d '(\{.*\})'", script, re.DOTALL)
        body = body.replace("'\"$ACCOUNT\"'", account).replace("'\"$BOARD\"'", board)
        return service.api.post("/v1/upload", json.loads(body)).ok(202)
    assert service.api.key
    env = clean_environment(
        MULTI_UPLOAD_URL=service.api.url,
        MULTI_UPLOAD_API_KEY=service.api.key,
        ACCOUNT=account,
        BOARD=board,
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script.rstrip() + " -w '\\n%{http_code}'"],
        capture_output=True,
        text=True,
        env=env,
        timeout=PATIENCE,
        check=True,
    )
    body, status = done.stdout.rsplit("\n", 1)
    assert status == "202", body
    return json.loads(body)


def test_the_example_is_accepted_scheduled_and_published(service: Service) -> None:
    board = service.boards[3]["id"]
    upload = send(service, board)
    assert re.fullmatch(r"up_[0-9a-f]{32}", upload["id"])
    assert upload["status"] == "scheduled"
    assert upload["scheduled_at"].endswith("Z")
    [target] = upload["targets"]
    assert re.fullmatch(r"tg_[0-9a-f]{32}", target["id"])
    assert target["account"] == service.account["id"]
    assert target["status"] == "scheduled"
    assert target["attempts"] == 0
    assert target["remote_id"] is None

    [published] = service.api.wait([upload])
    assert published["status"] == "published"
    assert published["scheduled_at"] == upload["scheduled_at"]
    [target] = published["targets"]
    assert target["attempts"] == 1
    assert target["error"] is None
    assert moment(target["published_at"]) >= moment(upload["scheduled_at"])
    [pin] = [pin for pin in service.sandbox.ledger()["pins"] if pin["board_id"] == board]
    assert pin["id"] == target["remote_id"]
    assert target["remote_url"] == f"https://www.pinterest.com/pin/{pin['id']}/"
    assert pin["link"] == "https://yourshop.com/summer"
    assert pin["description"] == "Our new summer collection is here 📌"
    assert [media["url"] for media in pin["media"]] == [PICTURE]


def test_the_answer_names_its_place(service: Service) -> None:
    answer: Answer = service.api.post("/v1/upload", service.pin("Named", draft=True))
    upload = answer.ok(202)
    assert answer.headers["location"] == f"/v1/uploads/{upload['id']}"
    assert service.api.get(answer.headers["location"]) == upload


def test_without_a_time_it_is_published_now(service: Service) -> None:
    [upload] = service.api.wait([service.api.create(**service.pin("Now"))])
    assert upload["status"] == "published"
    assert service.sandbox.titles()["Now"] == 1


def test_a_local_time_counts_in_its_zone(service: Service) -> None:
    fields = service.pin("Zone", scheduled_at="2035-07-01T09:30:00", timezone="Europe/Paris")
    upload = service.api.create(**fields)
    assert upload["scheduled_at"] == "2035-07-01T07:30:00Z"
    assert upload["timezone"] == "Europe/Paris"


def test_its_life_can_be_read_as_a_timeline(service: Service) -> None:
    [upload] = service.api.wait([service.api.create(**service.pin("Timeline"))])
    events = service.api.get(f"/v1/uploads/{upload['id']}/events")["items"]
    kinds = [event["kind"] for event in events]
    assert kinds[0] == "upload.scheduled"
    assert kinds[-2:] == ["target.armed", "target.published"]
    assert [event["seq"] for event in events] == sorted({event["seq"] for event in events})


def test_a_scheduled_upload_is_changed_and_canceled(service: Service) -> None:
    upload = service.api.create(**service.pin("Before", scheduled_at=in_seconds(3600)))
    path = f"/v1/uploads/{upload['id']}"
    change = {"version": upload["version"], "title": "After"}
    changed = service.api.call("PATCH", path, change).ok()
    assert changed["content"]["title"] == "After"
    assert changed["version"] > upload["version"]

    stale = service.api.call("PATCH", path, change)
    assert stale.status == 412
    assert stale.json["code"] == "VERSION_CONFLICT"
    assert service.api.post(f"{path}/cancel", None).ok()["status"] == "canceled"
    assert service.sandbox.titles()["After"] == 0
    late = service.api.call("PATCH", path, {"title": "Too late"})
    assert late.status == 409
    assert late.json["code"] == "STATE_CONFLICT"


def test_the_list_finds_by_label_state_and_text(service: Service) -> None:
    fields = service.pin("Needle in hay", external_id="sku-1", scheduled_at=in_seconds(3600))
    upload = service.api.create(**fields)
    for query in (
        {"external_id": "sku-1"},
        {"q": "needle in"},
        {"status": "scheduled", "from": in_seconds(1800), "to": in_seconds(5400), "q": "Needle"},
    ):
        found = service.api.get("/v1/uploads", **query)
        assert [each["id"] for each in found["items"]] == [upload["id"]], query
        assert found["next_cursor"] is None
    assert service.api.get("/v1/uploads", external_id="sku-2")["items"] == []


def test_a_batch_has_one_result_for_each_row(service: Service) -> None:
    good = service.pin("Row 0", idempotency_key="rows-0")
    bad = service.pin("Row 1", board=1)
    del bad["board_id"]
    also_good = service.pin("Row 2", board=2, idempotency_key="rows-2")
    answer = service.api.post("/v1/uploads/batch", {"uploads": [good, bad, also_good]}).ok()
    results = answer["results"]
    assert [result["index"] for result in results] == [0, 1, 2]
    assert "upload" not in results[1]
    assert [error["pointer"] for error in results[1]["error"]["errors"]] == ["/board_id"]
    service.api.wait([results[0]["upload"], results[2]["upload"]])

    again = service.api.post("/v1/uploads/batch", {"uploads": [good, bad, also_good]}).ok()[
        "results"
    ]
    assert [result.get("replayed", False) for result in again] == [True, False, True]
    assert again[0]["upload"]["id"] == results[0]["upload"]["id"]
    titles = service.sandbox.titles()
    assert [titles[f"Row {n}"] for n in range(3)] == [1, 0, 1]
