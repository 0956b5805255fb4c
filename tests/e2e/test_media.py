"""A local picture becomes a pin, by the tus protocol with raw HTTP."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from support import Answer, Service, png

TUS = {"tus-resumable": "1.0.0"}
PIECE = TUS | {"content-type": "application/offset+octet-stream"}


def begin(service: Service, length: int, first: bytes | None = None) -> Answer:
    headers = (TUS if first is None else PIECE) | {"upload-length": str(length)}
    return service.api.call("POST", "/v1/media", first, headers)


def append(service: Service, path: str, offset: int, piece: bytes) -> Answer:
    headers = PIECE | {"upload-offset": str(offset)}
    return service.api.call("PATCH", path, piece, headers)


def publish(service: Service, path: str, title: str) -> dict[str, Any]:
    """The pin, as the network has it, made of an uploaded picture."""
    media = service.api.get(path)
    assert media["status"] == "ready"
    assert media["refusals"] == {}
    fields = service.pin(title, media_id=media["id"])
    del fields["image_url"]
    [upload] = service.api.wait([service.api.create(**fields)])
    assert upload["status"] == "published"
    [pin] = service.sandbox.titled(title)
    return pin


def test_a_picture_sent_with_one_request(service: Service) -> None:
    picture = png(120, 180)
    answer = begin(service, len(picture), picture)
    answer.ok(201)
    assert answer.headers["upload-offset"] == str(len(picture))
    path = answer.headers["location"]

    media = service.api.get(path)
    assert media["content_type"] == "image/png"
    assert (media["width"], media["height"], media["bytes"]) == (120, 180, len(picture))
    assert media["sha256"] == sha256(picture).hexdigest()

    pin = publish(service, path, "One request")
    assert [(m["sha256"], m["bytes"]) for m in pin["media"]] == [(media["sha256"], len(picture))]


def test_a_picture_sent_in_two_pieces(service: Service) -> None:
    picture = png(130, 190, (20, 90, 160))
    half = len(picture) // 2
    answer = begin(service, len(picture))
    answer.ok(201)
    path = answer.headers["location"]
    assert answer.headers["upload-offset"] == "0"
    assert service.api.get(path)["status"] == "uploading"

    assert append(service, path, 0, picture[:half]).status == 204
    # Not the whole picture yet: it cannot be pinned.
    fields = service.pin("Half", media_id=path.rsplit("/", 1)[1])
    del fields["image_url"]
    refused = service.api.post("/v1/uploads", fields)
    assert refused.status == 422
    assert refused.json["errors"][0]["pointer"] == "/media_id"

    where = service.api.call("HEAD", path, headers=TUS)
    assert where.headers["upload-offset"] == str(half)
    assert where.headers["upload-length"] == str(len(picture))
    wrong = append(service, path, half + 1, picture[half + 1 :])
    assert (wrong.status, wrong.json["code"]) == (409, "STATE_CONFLICT")
    assert append(service, path, half, picture[half:]).status == 204

    pin = publish(service, path, "Two pieces")
    assert pin["media"][0]["sha256"] == sha256(picture).hexdigest()


def test_one_picture_may_be_pinned_twice(service: Service) -> None:
    picture = png(70, 70, (1, 2, 3))
    path = begin(service, len(picture), picture).headers["location"]
    first, second = publish(service, path, "First use"), publish(service, path, "Second use")
    assert first["id"] != second["id"]
    assert first["media"] == second["media"]


def test_the_service_says_what_it_takes(service: Service) -> None:
    answer = service.api.call("OPTIONS", "/v1/media")
    assert answer.status == 204
    assert answer.headers["tus-version"] == "1.0.0"
    assert "creation-with-upload" in answer.headers["tus-extension"]
    assert int(answer.headers["tus-max-size"]) >= 20_000_000


def test_a_removed_picture_is_gone(service: Service) -> None:
    picture = png()
    path = begin(service, len(picture), picture).headers["location"]
    service.api.call("DELETE", path, headers=TUS).ok(204)
    assert service.api.call("GET", path).status == 404
    assert service.api.call("HEAD", path, headers=TUS).status == 404


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"upload-length": "5"}, None, 412, "VALIDATION_FAILED"),
        (TUS, None, 400, "VALIDATION_FAILED"),
        (TUS | {"upload-length": "0"}, None, 400, "VALIDATION_FAILED"),
        (TUS | {"upload-length": "many"}, None, 400, "VALIDATION_FAILED"),
        (TUS | {"upload-length": "3000000000"}, None, 413, "MEDIA_TOO_LARGE"),
        (TUS | {"upload-length": "5"}, b"hello", 415, "CONTENT_TYPE_UNSUPPORTED"),
        (PIECE | {"upload-length": "2"}, b"hello", 413, "MEDIA_TOO_LARGE"),
        (PIECE | {"upload-length": "5"}, b"hello", 415, "MEDIA_TYPE_UNSUPPORTED"),
    ],
)
def test_what_is_refused(
    service: Service, headers: dict[str, str], body: bytes | None, status: int, code: str
) -> None:
    answer = service.api.call("POST", "/v1/media", body, headers)
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert answer.headers.get_content_type() == "application/problem+json"
    assert answer.json["remedy"]
