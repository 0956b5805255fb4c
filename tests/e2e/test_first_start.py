"""The first minutes: start, key, connection, boards."""

from __future__ import annotations

import re
import signal
from pathlib import Path
from urllib.parse import quote

import consent
import pytest
from support import Api, Service, run


def test_the_first_start_prints_an_admin_key_and_the_second_does_not(tmp_path: Path) -> None:
    service = Service(tmp_path, "--sandbox")
    with service:
        key = service.ready["admin_key"]
        assert key["key"].startswith("mu_test_")
        assert key["scopes"] == ["admin"]
        assert service.ready["mode"] == "test"
        assert [known["id"] for known in service.api.get("/v1/api-keys")["items"]] == [key["id"]]
    with service:
        assert service.ready["admin_key"] is None
        # The old one still opens the door.
        assert service.api.get("/v1/accounts")["items"] == []


def test_without_the_sandbox_the_key_is_a_live_one(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        assert service.ready["admin_key"]["key"].startswith("mu_live_")
        assert service.ready["mode"] == "live"
        assert service.ready["sandbox_url"] is None


def test_a_person_reads_address_and_key(tmp_path: Path) -> None:
    service = Service(tmp_path, "--sandbox")
    try:
        service.spawn()
        text = service.printed("admin key")
        url = re.search(r"^address +(http://127\.0\.0\.1:\d+)$", text, re.MULTILINE)
        key = re.search(r"^admin key +(mu_test_\w+)$", text, re.MULTILINE)
        assert url, text
        assert key, text
        assert Api(url[1], key[1]).get("/v1/accounts")["items"] == []
        service.signal(signal.SIGTERM)
        assert service.ended() == 0
        service.spawn()
        assert "admin key" not in service.printed("address")
    finally:
        service.__exit__()


def test_one_data_folder_has_one_service(tmp_path: Path) -> None:
    with Service(tmp_path, "--sandbox") as service:
        second = run("serve", "--sandbox", "--listen", "127.0.0.1:0", "--data", str(service.data))
        assert second.returncode == 1
        assert "DATA_IN_USE" in second.stderr
        assert service.api.url in second.stderr
        assert service.api.get("/healthz")["status"] == "ok"


def test_the_open_pages_need_no_key(service: Service) -> None:
    stranger = Api(service.api.url)
    assert stranger.get("/healthz")["status"] == "ok"
    assert stranger.get("/readyz")["status"] == "ok"
    assert "/v1/upload" in stranger.get("/openapi.json")["paths"]


def test_an_account_is_connected_by_the_consent_form(tmp_path: Path) -> None:
    with Service(tmp_path, "--sandbox") as service:
        session = service.api.post("/v1/accounts/connect", {"platform": "pinterest"}).ok(201)
        assert session["status"] == "pending"
        assert session["authorize_url"].startswith(service.ready["sandbox_url"])
        page = consent.allow(session["authorize_url"])
        assert "sandbox_studio" in page

        done = service.api.get(f"/v1/accounts/connect/{session['id']}")
        assert done["status"] == "connected"
        [account] = service.api.get("/v1/accounts")["items"]
        assert account == done["account"]
        assert account["id"] == "pinterest:549755885175"
        assert account["status"] == "active"
        assert account["mode"] == "test"
        assert {"boards:read", "boards:read_secret", "pins:write"} <= set(account["scopes"])


def test_an_account_is_not_connected_when_the_person_says_no(service: Service) -> None:
    before = service.api.get("/v1/accounts")["items"]
    session = service.api.post("/v1/accounts/connect", {"platform": "pinterest"}).ok(201)
    status, page = consent.open_page(consent.consent_form(session["authorize_url"]).deny)
    assert 400 <= status < 500, page
    done = service.api.get(f"/v1/accounts/connect/{session['id']}")
    assert done["status"] == "failed"
    assert done["error"]["remedy"]
    assert service.api.get("/v1/accounts")["items"] == before


def test_the_state_of_a_connection_works_once(service: Service) -> None:
    session = service.api.post("/v1/accounts/connect", {"platform": "pinterest"}).ok(201)
    consent.allow(session["authorize_url"])
    status, page = consent.open_page(consent.consent_form(session["authorize_url"]).deny)
    assert 400 <= status < 500, page
    assert service.api.get(f"/v1/accounts/connect/{session['id']}")["status"] == "connected"


@pytest.mark.parametrize("form", ["raw", "encoded", "bare"])
def test_boards_are_listed_whatever_the_account_id_looks_like(service: Service, form: str) -> None:
    account = service.account["id"]
    ids = {"raw": account, "encoded": quote(account, safe=""), "bare": account.split(":")[1]}
    assert service.api.get(f"/v1/accounts/{ids[form]}")["id"] == account
    boards = service.api.get(f"/v1/accounts/{ids[form]}/boards")["items"]
    # More than one page of the network: own, group and secret ones.
    assert len(boards) == 31
    by_name = {board["name"]: board for board in boards}
    assert by_name["Surprise Party"]["privacy"] == "SECRET"
    assert by_name["Friends' Cookbook"]["owner"] == "sandbox_friends"
    assert by_name["Kitchen Ideas"]["pin_count"] == 3


def test_boards_come_in_pages_and_by_privacy(service: Service) -> None:
    path = f"/v1/accounts/{quote(service.account['id'], safe='')}/boards"
    seen, cursor = [], None
    while True:
        page = service.api.get(path, limit=10, **({"cursor": cursor} if cursor else {}))
        seen += [board["id"] for board in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 31
    secret = service.api.get(path, privacy="SECRET")["items"]
    assert [board["name"] for board in secret] == ["Surprise Party"]
