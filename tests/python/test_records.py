"""Records: attributes out of answers, whatever a newer service adds."""

from __future__ import annotations

import copy
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from multi_upload import BatchResult, CreatedApiKey, RateLimitError, Target, Upload

UPLOAD: dict[str, Any] = {
    "id": "up_1",
    "status": "simmering",
    "scheduled_at": "2026-12-01T20:00:00Z",
    "timezone": None,
    "external_id": None,
    "version": 1,
    "created_at": "2026-11-24T09:00:00.123Z",
    "updated_at": "some other day",
    "content": {"accounts": ["pinterest:549"], "title": "Pin", "weight": 3},
    "targets": [
        {
            "id": "tg_1",
            "account": "pinterest:549",
            "status": "waiting",
            "error": {"code": "RATE_LIMITED", "category": "rate_limit", "detail": "Later."},
        }
    ],
    "mood": {"today": "fine"},
}


def test_times_are_aware() -> None:
    upload = Upload(UPLOAD)
    assert upload.scheduled_at == datetime(2026, 12, 1, 20, tzinfo=timezone.utc)
    assert upload.created_at.utcoffset() == timedelta(0)
    assert upload.created_at.microsecond == 123_000


def test_what_cannot_be_read_passes_as_it_came() -> None:
    upload = Upload(UPLOAD)
    assert upload.status == "simmering"
    assert upload.updated_at == "some other day"
    assert upload.mood == {"today": "fine"}  # type: ignore[attr-defined]
    assert upload.content.weight == 3  # type: ignore[attr-defined]


def test_objects_inside_are_records_and_errors_are_exceptions() -> None:
    upload = Upload(UPLOAD)
    assert isinstance(upload.targets[0], Target)
    assert upload.content.title == "Pin"
    assert isinstance(upload.targets[0].error, RateLimitError)
    assert BatchResult({"index": 0, "upload": UPLOAD}).upload == upload


def test_absent_fields_are_none_and_misspelt_ones_an_error() -> None:
    target = Upload(UPLOAD).targets[0]
    assert target.remote_url is None
    with pytest.raises(AttributeError, match="Upload has no field 'titel'"):
        Upload(UPLOAD).titel  # type: ignore[attr-defined]  # noqa: B018


def test_records_compare_hash_copy_and_pickle() -> None:
    upload = Upload(UPLOAD)
    _ = upload.targets
    for twin in (copy.deepcopy(upload), copy.copy(upload), pickle.loads(pickle.dumps(upload))):
        assert twin == upload
        assert hash(twin) == hash(upload)
    assert upload != Upload({**UPLOAD, "version": 2})
    assert upload != UPLOAD
    assert len({upload, Upload(dict(UPLOAD))}) == 1


def test_plain_data_is_a_copy() -> None:
    upload = Upload(UPLOAD)
    plain = upload.to_dict()
    assert plain == UPLOAD
    plain["targets"].clear()
    assert len(upload.targets) == 1


def test_what_is_shown_leaves_out_what_is_empty() -> None:
    shown = repr(Upload(UPLOAD))
    assert shown.startswith("Upload(id='up_1', status='simmering', scheduled_at=datetime")
    assert "external_id" not in shown


def test_a_secret_is_not_shown() -> None:
    key = CreatedApiKey({"id": "key_1", "key": "mu_test_secret", "mode": "test", "scopes": []})
    assert key.key == "mu_test_secret"
    assert "secret" not in repr(key)
