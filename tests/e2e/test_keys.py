"""API keys: made beside the running service, limited, revoked; and no secret lies in the open."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import consent
import pytest
from support import Api, Service, in_seconds, run, until


def make(service: Service, *options: str) -> dict[str, Any]:
    """A key made by the command while the service runs."""
    [key] = service.command("keys", "create", "--data", str(service.data), "--test", *options)
    return key


def test_a_key_made_beside_the_service_works_at_once(service: Service) -> None:
    key = make(service, "--name", "beside")
    assert set(key) == {"id", "key", "mode", "scopes", "accounts"}
    assert key["mode"] == "test"
    assert key["accounts"] is None
    assert "admin" not in key["scopes"]
    caller = Api(service.api.url, key["key"])
    caller.create(**service.pin("Beside", draft=True))
    assert caller.call("GET", "/v1/api-keys").json["code"] == "SCOPE_MISSING"

    listed = service.command("keys", "list", "--data", str(service.data))
    assert key["id"] in [known["id"] for known in listed]
    assert key["key"] not in str(listed)


@pytest.mark.parametrize(
    ("scope", "method", "path"),
    [
        ("uploads:read", "POST", "/v1/upload"),
        ("uploads:read", "GET", "/v1/accounts"),
        ("uploads:write", "GET", "/v1/uploads"),
        ("accounts:read", "POST", "/v1/accounts/connect"),
        ("uploads:write", "POST", "/v1/media"),
        ("media:write", "POST", "/v1/api-keys"),
    ],
)
def test_a_key_may_do_what_its_scopes_say(
    service: Service, scope: str, method: str, path: str
) -> None:
    key = make(service, "--scopes", scope)
    before = service.api.get("/v1/uploads", limit=1000)["items"]
    body = service.pin("Scope") if method == "POST" else None
    answer = Api(service.api.url, key["key"]).call(method, path, body)
    assert answer.status == 403
    assert answer.json["code"] == "SCOPE_MISSING"
    assert answer.json["category"] == "permission"
    assert answer.json["request_id"]
    assert service.api.get("/v1/uploads", limit=1000)["items"] == before


def test_a_key_may_use_its_accounts_only(service: Service) -> None:
    upload = service.api.create(**service.pin("Hidden", draft=True))
    key = make(service, "--accounts", "pinterest:1")
    caller = Api(service.api.url, key["key"])
    answer = caller.post("/v1/upload", service.pin("Foreign"))
    assert (answer.status, answer.json["code"]) == (403, "ACCOUNT_NOT_ALLOWED")
    assert caller.get("/v1/accounts")["items"] == []
    assert caller.get("/v1/uploads")["items"] == []
    assert caller.call("GET", f"/v1/uploads/{upload['id']}").status == 404
    assert caller.call("POST", f"/v1/uploads/{upload['id']}/cancel").status == 404


def test_a_live_key_sees_nothing_of_the_sandbox(service: Service) -> None:
    [key] = service.command("keys", "create", "--data", str(service.data))
    assert key["key"].startswith("mu_live_")
    caller = Api(service.api.url, key["key"])
    assert caller.get("/v1/accounts")["items"] == []
    assert caller.get("/v1/uploads")["items"] == []
    assert caller.post("/v1/upload", service.pin("Live")).status == 422


def test_a_revoked_key_opens_nothing(service: Service) -> None:
    key = make(service)
    caller = Api(service.api.url, key["key"])
    caller.get("/v1/uploads")
    [done] = service.command("keys", "revoke", key["id"], "--data", str(service.data))
    assert done == {"id": key["id"], "revoked": True}
    answer = caller.call("GET", "/v1/uploads")
    assert (answer.status, answer.json["code"]) == (401, "API_KEY_EXPIRED")
    assert key["id"] in answer.json["detail"]

    over_http = service.api.post("/v1/api-keys", {"name": "short"}).ok(201)
    service.api.call("DELETE", f"/v1/api-keys/{over_http['id']}").ok(204)
    assert Api(service.api.url, over_http["key"]).call("GET", "/v1/uploads").status == 401


def test_a_key_ends_at_its_time(service: Service) -> None:
    key = make(service, "--expires-at", in_seconds(1))
    caller = Api(service.api.url, key["key"])
    caller.get("/v1/uploads")
    until(lambda: caller.call("GET", "/v1/uploads").status == 401, "the key ends", 5)
    assert caller.call("GET", "/v1/uploads").json["code"] == "API_KEY_EXPIRED"


def test_wrong_arguments_of_the_command(tmp_path: Path) -> None:
    for options, said in (
        (("--scopes", "uploads"), "uploads:write"),
        (("--expires-at", "2001-01-01T00:00:00Z"), "2001"),
    ):
        done = run("keys", "create", "--data", str(tmp_path / "data"), *options)
        assert done.returncode == 1
        assert said in done.stderr
        assert done.stdout == ""


def tokens_of(service: Service) -> dict[str, str]:
    """What the network answers for a code, asked directly: how its secrets look."""
    session = service.api.post("/v1/accounts/connect", {"platform": "pinterest"}).ok(201)
    form = dict(consent.consent_form(session["authorize_url"]).fields)
    # The same consent, but sent back to an address of ours.
    form["redirect_uri"] = back = "http://127.0.0.1:1/back"
    network = service.sandbox.api
    encoded = {"content-type": "application/x-www-form-urlencoded"}
    answer = network.call("POST", "/oauth/", urlencode(form).encode(), encoded)
    assert answer.status == 302
    code = parse_qs(urlsplit(answer.headers["location"]).query)["code"][0]
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": back}
    basic = b64encode(f"{form['client_id']}:any".encode()).decode()
    headers = encoded | {"authorization": f"Basic {basic}"}
    return network.call("POST", "/v5/oauth/token", urlencode(asked).encode(), headers).ok()


def test_no_secret_lies_in_the_data_folder_or_the_log(tmp_path: Path) -> None:
    with Service(tmp_path, "--sandbox", env={"MULTI_UPLOAD_LOG": "trace"}) as service:
        service.connect()
        keys = [service.api.key or "", make(service)["key"]]
        [upload] = service.api.wait([service.api.create(**service.pin("Secret"))])
        assert upload["status"] == "published"
        # The names by which secrets are found are the right ones.
        tokens = tokens_of(service)
        assert tokens["access_token"].startswith("pina_")
        assert tokens["refresh_token"].startswith("pinr_")

        def look(when: str) -> None:
            files = [path for path in service.data.rglob("*") if path.is_file()]
            assert any(path.name == "multi-upload.db" for path in files)
            for path in [*files, service.log]:
                held = path.read_bytes()
                for secret in (b"pina_", b"pinr_", b"sandbox-secret"):
                    assert secret not in held, f"{secret!r} in {path} {when}"
                for key in keys:
                    assert key.encode() not in held, f"a key in {path} {when}"
                    # The secret half alone neither.
                    assert key[-40:].encode() not in held, f"half a key in {path} {when}"

        assert (service.data / "multi-upload.db-wal").exists()
        assert service.log.stat().st_size > 0
        look("while it runs")
        service.kill()
        look("after it was killed")


def test_the_data_folder_is_its_owners(tmp_path: Path) -> None:
    with Service(tmp_path, "--sandbox") as service:
        assert service.data.stat().st_mode & 0o077 == 0
        for name in ("master.key", "multi-upload.db"):
            assert (service.data / name).stat().st_mode & 0o077 == 0, name
