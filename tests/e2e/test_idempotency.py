"""The same key twice stores nothing twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from support import Answer, Service, in_seconds


def send(service: Service, key: str, **fields: object) -> Answer:
    return service.api.call("POST", "/v1/upload", fields, {"idempotency-key": key})


def test_the_same_request_again_gets_the_first_answer(service: Service) -> None:
    fields = service.pin("Once", scheduled_at=in_seconds(0.3))
    first = send(service, "once", **fields)
    upload = first.ok(202)
    assert "idempotency-replayed" not in first.headers
    service.api.wait([upload])

    # By now its time has passed and it is published; the answer is the one of then.
    again = send(service, "once", **fields)
    assert again.ok(202) == upload
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    assert service.sandbox.titles()["Once"] == 1


def test_the_order_of_names_does_not_matter(service: Service) -> None:
    fields = service.pin("Order", draft=True)
    first = send(service, "order", **fields).ok(202)
    turned = dict(reversed(fields.items())) | {"link": None}
    assert send(service, "order", **turned).ok(202) == first


def test_another_request_with_the_key_is_refused(service: Service) -> None:
    send(service, "mine", **service.pin("Mine", draft=True)).ok(202)
    answer = send(service, "mine", **service.pin("Other", draft=True))
    assert answer.status == 422
    assert answer.json["code"] == "IDEMPOTENCY_BODY_MISMATCH"
    assert answer.json["outcome"] == "none"
    assert service.api.get("/v1/uploads", q="Other")["items"] == []


def test_a_refused_request_does_not_use_up_its_key(service: Service) -> None:
    assert send(service, "retry", **service.pin("Fixed", board_id="1")).status == 422
    send(service, "retry", **service.pin("Fixed", draft=True)).ok(202)


def test_twenty_at_once_store_one(service: Service) -> None:
    fields = service.pin("Race")
    together = Barrier(20)

    def one(_: int) -> Answer:
        together.wait()
        return send(service, "race", **fields)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(one, range(20)))
    # One of them may also be told that the first is still running.
    assert {answer.status for answer in answers} <= {202, 409}
    uploads = [answer.json for answer in answers if answer.status == 202]
    assert len({upload["id"] for upload in uploads}) == 1
    assert {a.json["code"] for a in answers if a.status == 409} <= {"IDEMPOTENCY_IN_PROGRESS"}
    fresh = [a for a in answers if a.status == 202 and "idempotency-replayed" not in a.headers]
    assert len(fresh) == 1

    service.api.wait(uploads[:1])
    assert len(service.api.get("/v1/uploads", q="Race")["items"]) == 1
    assert service.sandbox.titles()["Race"] == 1


def test_two_without_a_key_are_two(service: Service) -> None:
    """Identical content is allowed; only a key says that it is the same request."""
    fields = service.pin("Twins")
    twins = [service.api.create(**fields), service.api.create(**fields)]
    assert twins[0]["id"] != twins[1]["id"]
    done = service.api.wait(twins)
    assert {upload["status"] for upload in done} == {"published"}
    remote = {upload["targets"][0]["remote_id"] for upload in done}
    assert remote == {pin["id"] for pin in service.sandbox.titled("Twins")}
    assert len(remote) == 2
