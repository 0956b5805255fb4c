"""Bad input: a whole problem object each time, and nothing is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from support import Answer, Api, Service, in_seconds, moment


@pytest.fixture(autouse=True)
def nothing_is_stored(service: Service) -> Iterator[None]:
    yield
    assert service.api.get("/v1/uploads")["items"] == []
    assert service.sandbox.ledger()["pins"] == []
    assert service.sandbox.count("POST /v5/pins") == 0


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The problem object, complete."""
    assert answer.status == status, answer.body.decode()
    assert answer.headers.get_content_type() == "application/problem+json"
    info = answer.json
    assert info["code"] == code, info
    assert info["status"] == status
    assert info["request_id"] == answer.headers["x-request-id"]
    assert re.fullmatch(r"[0-9a-f-]{36}", info["request_id"])
    assert info["remedy"].endswith(".")
    assert info["title"]
    assert info["detail"]
    assert info["category"]
    assert info["doc_url"].endswith("#" + code.lower())
    return info


def refused(answer: Answer, pointer: str, code: str = "VALIDATION_FAILED") -> str:
    """What a 422 says about the one field that is wrong."""
    info = problem(answer, 422, code)
    assert [error["pointer"] for error in info["errors"]] == [pointer], info
    assert info["retry"] == "no"
    assert info["outcome"] == "none"
    return info["errors"][0]["detail"]


def create(service: Service, **fields: Any) -> Answer:
    """A good upload, with these fields changed; None takes one away."""
    body = {n: v for n, v in (service.pin("Bad") | fields).items() if v is not None}
    return service.api.post("/v1/uploads", body)


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body", [b"{", b"", b'{"accounts": [}', b"{'accounts': []}", b'{"link": 1} {}', b"\xff\xfe{}"]
)
def test_malformed_json(service: Service, body: bytes) -> None:
    info = problem(service.api.call("POST", "/v1/upload", body, JSON), 400, "JSON_MALFORMED")
    assert re.search(r"line \d+, column \d+", info["detail"])


def test_a_name_that_stands_twice(service: Service) -> None:
    body = b'{"title": "one", "title": "two"}'
    info = problem(service.api.call("POST", "/v1/upload", body, JSON), 400, "JSON_MALFORMED")
    assert "title" in info["detail"]


def test_json_that_is_too_deep(service: Service) -> None:
    body = b'{"pinterest":' * 1000 + b"1" + b"}" * 1000
    problem(service.api.call("POST", "/v1/upload", body, JSON), 400, "JSON_TOO_DEEP")


def test_a_list_instead_of_an_object(service: Service) -> None:
    problem(service.api.post("/v1/upload", []), 422, "VALIDATION_FAILED")


def test_another_content_type(service: Service) -> None:
    for given in ({}, {"content-type": "text/plain"}, {"content-type": "multipart/form-data"}):
        answer = service.api.call("POST", "/v1/upload", b"accounts=1", given)
        assert "application/json" in problem(answer, 415, "CONTENT_TYPE_UNSUPPORTED")["detail"]


def test_ten_megabytes(service: Service) -> None:
    body = b'{"title": "' + b"a" * 10_000_000 + b'"}'
    info = problem(service.api.call("POST", "/v1/upload", body, JSON), 413, "BODY_TOO_LARGE")
    assert "1 MiB" in info["detail"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("sheduled_at", "scheduled_at"),
        ("boardId", "board_id"),
        ("image", "image_url"),
        ("captions", "caption"),
    ],
)
def test_an_unknown_field_names_the_nearest(service: Service, name: str, nearest: str) -> None:
    assert f"did you mean `{nearest}`?" in refused(create(service, **{name: "x"}), f"/{name}")


def test_an_unknown_field_inside_an_override(service: Service) -> None:
    overrides = {"pinterest": {"titel": "x"}}
    said = refused(create(service, overrides=overrides), "/overrides/pinterest/titel")
    assert "did you mean `title`?" in said


def test_every_fault_is_named_at_once(service: Service) -> None:
    answer = create(service, link=7, titel="x", image_url=None, scheduled_at="soon")
    info = problem(answer, 422, "VALIDATION_FAILED")
    assert {"/link", "/titel"} <= {error["pointer"] for error in info["errors"]}


def test_a_missing_board_lists_the_boards(service: Service) -> None:
    answer = create(service, board_id=None)
    said = refused(answer, "/board_id")
    for board in service.boards:
        assert board["id"] in said
        assert board["name"] in said
    assert "listed" in answer.json["remedy"]


def test_a_board_of_somebody_else(service: Service) -> None:
    said = refused(create(service, board_id="123456"), "/board_id")
    assert "not a board of" in said
    assert service.boards[0]["name"] in said


def test_a_time_without_a_zone(service: Service) -> None:
    said = refused(create(service, scheduled_at="2035-03-10T20:00:00"), "/scheduled_at")
    assert "timezone" in said
    assert "2035-03-10T20:00:00Z" in said


@pytest.mark.parametrize(
    "time", ["tomorrow", "2035-02-30T10:00:00Z", "2035-03-10", "", "1773172800"]
)
def test_what_is_no_time(service: Service, time: str) -> None:
    refused(create(service, scheduled_at=time), "/scheduled_at")


def test_a_time_in_the_past_beyond_a_minute(service: Service) -> None:
    answer = create(service, scheduled_at=in_seconds(-62))
    refused(answer, "/scheduled_at", "SCHEDULE_IN_PAST")
    # Less than that is a slow caller, and means now.
    fields = service.pin("Slow", scheduled_at=in_seconds(-50))
    checked = service.api.post("/v1/uploads/validate", fields).ok()
    assert checked["valid"], checked
    assert moment(checked["scheduled_at"]) > moment(in_seconds(-40))


def test_an_unknown_zone(service: Service) -> None:
    answer = create(service, scheduled_at="2035-03-10T20:00:00", timezone="Europe/Pariss")
    refused(answer, "/timezone", "TIMEZONE_UNKNOWN")


def test_a_wrong_account(service: Service) -> None:
    said = refused(create(service, accounts=["pinterest:1"]), "/accounts/0")
    assert service.account["id"] in said
    bare = service.account["id"].split(":")[1]
    said = refused(create(service, accounts=[bare]), "/accounts/0")
    assert f'did you mean "{service.account["id"]}"?' in said
    refused(create(service, accounts=[]), "/accounts")
    refused(create(service, accounts=None), "/accounts")
    refused(create(service, accounts=["tiktok:1"]), "/accounts/0", "PLATFORM_UNSUPPORTED")


def test_two_kinds_of_media_or_none(service: Service) -> None:
    answer = create(service, media_id="md_1")
    info = problem(answer, 422, "VALIDATION_FAILED")
    assert info["errors"][0]["pointer"] == "/media_id"
    assert "exactly one" in info["errors"][0]["detail"]
    assert "exactly one" in refused(create(service, image_url=None), "/image_url")
    # The product page's own example has a video.
    video = {"image_url": None, "video_url": "https://yourcdn.example/demo.mp4"}
    answer = create(service, **video, dry_run=True)
    assert (answer.status, answer.json["valid"]) == (200, True)
    cover = create(
        service, **video, cover_image_url="https://a.example/1.jpg", cover_media_id="md_1"
    )
    refused(cover, "/cover_media_id")
    refused(create(service, cover_image_key_frame_time=1), "/cover_image_key_frame_time")


def test_what_is_no_media_address(service: Service) -> None:
    for url in ("summer.jpg", "ftp://yourcdn.example/a.jpg", "javascript:alert(1)", ""):
        refused(create(service, image_url=url), "/image_url")
    refused(create(service, link="not a link"), "/link")


@pytest.mark.parametrize(
    ("field", "longest"), [("title", 100), ("alt_text", 500), ("description", 800)]
)
def test_text_is_counted_in_characters(service: Service, field: str, longest: int) -> None:
    fits = service.pin("Emoji") | {field: "📌" * longest}
    checked = service.api.post("/v1/uploads/validate", fits).ok()
    assert checked["valid"], checked
    said = refused(create(service, **{field: "📌" * (longest + 1)}), f"/{field}")
    assert str(longest) in said


def test_a_text_with_a_nul(service: Service) -> None:
    refused(create(service, title="a\0b"), "/title")


def test_a_caption_that_is_too_long_is_named_where_it_stands(service: Service) -> None:
    refused(create(service, caption="a" * 801), "/caption")


def test_validate_says_the_same_without_an_error(service: Service) -> None:
    fields = service.pin("Check") | {"board_id": "1", "title": "x" * 101}
    checked = service.api.post("/v1/uploads/validate", fields).ok()
    assert checked["valid"] is False
    assert {error["pointer"] for error in checked["errors"]} == {"/board_id", "/title"}
    fine = service.api.post("/v1/uploads/validate", service.pin("Check")).ok()
    assert fine["valid"] is True
    assert fine["targets"][0]["board"]["name"] == service.boards[0]["name"]


def test_no_key(service: Service) -> None:
    stranger = Api(service.api.url)
    for method, path in (("POST", "/v1/upload"), ("GET", "/v1/uploads"), ("GET", "/v1/accounts")):
        answer = stranger.call(method, path, None if method == "GET" else service.pin("No"))
        problem(answer, 401, "API_KEY_MISSING")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_wrong_key(service: Service) -> None:
    key = service.api.key
    assert key
    for wrong in ("nonsense", key[:-1], key[:-1] + ("a" if key[-1] != "a" else "b"), key + "x"):
        answer = Api(service.api.url, wrong).call("POST", "/v1/upload", service.pin("No"))
        info = problem(answer, 401, "API_KEY_INVALID")
        assert wrong not in str(info)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/upload", {"POST"}),
        ("DELETE", "/v1/uploads", {"GET", "HEAD", "POST"}),
        ("POST", "/v1/accounts", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method(service: Service, method: str, path: str, allowed: set[str]) -> None:
    answer = service.api.call(method, path)
    problem(answer, 405, "METHOD_NOT_ALLOWED")
    assert set(re.split(r",\s*", answer.headers["allow"])) == allowed


@pytest.mark.parametrize(
    "path",
    [
        "/v1/uploads/up_00000000000000000000000000000000",
        "/v1/uploads/nonsense",
        "/v1/accounts/pinterest:1",
        "/v1/accounts/pinterest:1/boards",
        "/v1/media/md_00000000000000000000000000000000",
        "/v1/nothing",
        "/v2/uploads",
        "/",
    ],
)
def test_an_unknown_id_or_path(service: Service, path: str) -> None:
    problem(service.api.call("GET", path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "status=done", "cursor=x", "lmit=5"]
)
def test_a_wrong_query(service: Service, query: str) -> None:
    problem(service.api.call("GET", f"/v1/uploads?{query}"), 422, "VALIDATION_FAILED")


def test_a_wrong_idempotency_key(service: Service) -> None:
    for key in ("", "two words", "x" * 256):
        headers = {"idempotency-key": key}
        answer = service.api.call("POST", "/v1/upload", service.pin("Key"), headers)
        problem(answer, 400, "VALIDATION_FAILED")
