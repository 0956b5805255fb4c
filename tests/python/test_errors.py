"""Exceptions: the class of every code, every field, pickle and copy."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from conftest import SPEC

import multi_upload
from multi_upload import Client, MultiUploadError
from multi_upload._errors import _from_native

REGISTRY = json.loads((SPEC / "errors.json").read_text())

FULL: dict[str, Any] = {
    "type": "https://example.com/docs#x",
    "title": "Title",
    "status": 429,
    "detail": "What happened.",
    "instance": "/v1/uploads",
    "code": "RATE_LIMITED",
    "category": "rate_limit",
    "retry": "yes",
    "outcome": "none",
    "retry_after_ms": 1500,
    "attempts": 3,
    "exhausted": True,
    "idempotency_key": "key-1",
    "request_id": "req_1",
    "external_id": "row-7",
    "errors": [{"pointer": "/title", "code": "too_long", "detail": "101 of 100 characters"}],
    "platform": {"name": "pinterest", "http_status": 429, "code": "8", "message": "slow down"},
    "target": {"id": "tg_1", "account": "pinterest:549", "attempt": 2},
    "remedy": "Wait.",
    "doc_url": "https://example.com/docs#x",
}


def info(entry: dict[str, Any]) -> dict[str, Any]:
    return {**FULL, "code": entry["code"], "category": entry["category"]}


@pytest.mark.parametrize("entry", REGISTRY["codes"], ids=lambda entry: entry["code"])
def test_every_code_raises_its_class(entry: dict[str, Any]) -> None:
    error = _from_native(info(entry))
    assert type(error) is getattr(multi_upload, entry["class"]["python"])
    assert isinstance(error, MultiUploadError)
    assert multi_upload.CODES[entry["code"]] is type(error)
    assert (error.code, error.category) == (entry["code"], entry["category"])


def test_codes_of_this_version_are_those_of_the_registry() -> None:
    assert set(multi_upload.CODES) == {entry["code"] for entry in REGISTRY["codes"]}


@pytest.mark.parametrize(
    ("category", "expected"),
    [("quota", "QuotaError"), ("conflict", "ConflictError"), ("weather", "MultiUploadError")],
)
def test_a_code_of_a_newer_service_raises_its_category(category: str, expected: str) -> None:
    error = _from_native({**FULL, "code": "NOT_YET_KNOWN", "category": category})
    assert type(error).__name__ == expected
    assert error.code == "NOT_YET_KNOWN"


def test_builtins_catch_what_they_would() -> None:
    assert issubclass(multi_upload.ServiceTimeoutError, TimeoutError)
    assert issubclass(multi_upload.ServiceConnectionError, ConnectionError)
    assert issubclass(multi_upload.ValidationError, ValueError)


def test_every_field_is_an_attribute() -> None:
    error = _from_native(FULL)
    plain = {name: getattr(error, name) for name in MultiUploadError.__annotations__}
    assert set(plain) == set(FULL)
    assert plain["errors"][0].pointer == "/title"
    assert plain["platform"].message == "slow down"
    assert plain["target"].attempt == 2
    nested = {"errors", "platform", "target"}
    assert {k: v for k, v in plain.items() if k not in nested} == {
        k: v for k, v in FULL.items() if k not in nested
    }
    assert error.retry_after == 1.5


def test_text_says_what_happened_where_and_what_to_do() -> None:
    text = str(_from_native(FULL))
    assert text == (
        "RATE_LIMITED: What happened.\n  /title: 101 of 100 characters\n  Wait. (request req_1)"
    )


@pytest.mark.parametrize("entry", REGISTRY["codes"], ids=lambda entry: entry["code"])
@pytest.mark.parametrize(
    "through", [lambda e: pickle.loads(pickle.dumps(e)), copy.deepcopy, copy.copy]
)
def test_pickle_and_copy_keep_everything(entry: dict[str, Any], through: Any) -> None:
    error = _from_native(info(entry), ["the outer cause", "the inner cause"])
    error.__dict__["note"] = "added by a caller"
    twin = through(error)
    assert type(twin) is type(error)
    assert twin.to_dict() == error.to_dict() == info(entry)
    assert str(twin) == str(error)
    assert twin.__dict__["note"] == "added by a caller"
    assert str(twin.__cause__) == "the outer cause"
    assert twin.__cause__ is not None
    assert str(twin.__cause__.__cause__) == "the inner cause"


def test_an_error_of_the_core_has_its_cause() -> None:
    client = Client("http://127.0.0.1:1", "mu_test_key", max_attempts=1)
    with client, pytest.raises(multi_upload.ServiceConnectionError) as raised:
        client.service.health()
    error = raised.value
    assert error.code == "CONNECT_FAILED"
    assert error.attempts == 1
    assert "refused" in str(error.__cause__)
    assert "mu_test_key" not in str(error) + repr(error) + str(error.to_dict())


def test_a_missing_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MULTI_UPLOAD_URL", raising=False)
    monkeypatch.delenv("MULTI_UPLOAD_API_KEY", raising=False)
    with pytest.raises(multi_upload.ConfigError, match="MULTI_UPLOAD_URL"):
        Client()
    monkeypatch.setenv("MULTI_UPLOAD_API_KEY", "mu_test_key")
    Client("http://127.0.0.1:1").close()
    with pytest.raises(multi_upload.ConfigError):
        Client("no address")
