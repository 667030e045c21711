"""API keys over HTTP."""

import http.client
from collections.abc import Callable

from tests.api.callers import Caller, problem_of
from tests.kit.server import OPERATOR_KEY, Server


def test_a_key_is_shown_once_and_works_until_it_is_revoked(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.post("/v1/api-keys", {"name": "ci", "role": "viewer", "expires_at": "2100-01-01T00:00:00Z"})
    assert made.status == 201
    key = made.json
    assert (key["role"], key["tenant"], key["expires_at"]) == ("viewer", caller.tenant, "2100-01-01T00:00:00.000Z")
    assert key["value"].startswith("tok_")
    assert len(key["value"]) >= 40
    assert shared_server.get("/v1/events", key=key["value"]).status == 200
    listed = caller.get("/v1/api-keys")
    assert key["value"].encode() not in listed.body
    assert listed.json["items"][0]["id"] == key["id"]
    assert caller.call("DELETE", f"/v1/api-keys/{key['id']}").status == 204
    assert problem_of(shared_server.get("/v1/events", key=key["value"]))[:2] == ("unauthenticated", 401)
    assert problem_of(caller.call("DELETE", f"/v1/api-keys/{key['id']}"))[:2] == ("not-found", 404)


def test_what_a_key_may_not_be(shared_server: Server) -> None:
    caller = Caller(shared_server)
    for body, pointer in (
        ({"name": "", "role": "viewer"}, "/name"),
        ({"name": "n", "role": "root"}, "/role"),
        ({"name": "n"}, "/role"),
        ({"name": "n", "role": "viewer", "expires_at": "soon"}, "/expires_at"),
        ({"name": "n", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "n", "role": "viewer", "tenant": "a b"}, "/tenant"),
        ({"name": "n", "role": "viewer", "value": "mine"}, "/value"),
    ):
        assert problem_of(caller.post("/v1/api-keys", body)) == ("invalid-request", 422, [pointer])
    operator = {"name": "n", "role": "operator", "tenant": caller.tenant}
    assert problem_of(shared_server.post("/v1/api-keys", operator)) == ("invalid-request", 422, ["/tenant"])


def test_nobody_makes_a_key_with_more_rights_than_their_own(shared_server: Server) -> None:
    caller, other = Caller(shared_server), Caller(shared_server)
    assert problem_of(caller.post("/v1/api-keys", {"name": "n", "role": "operator"}))[:2] == ("forbidden", 403)
    foreign = {"name": "n", "role": "admin", "tenant": other.tenant}
    assert problem_of(caller.post("/v1/api-keys", foreign))[:2] == ("forbidden", 403)
    for role in ("viewer", "producer"):
        assert problem_of(caller.post("/v1/api-keys", {"name": "n", "role": "viewer"}, role=role))[:2] == (
            "forbidden",
            403,
        )
    mine = caller.post("/v1/api-keys", {"name": "n", "role": "viewer"}).json["id"]
    assert problem_of(other.call("DELETE", f"/v1/api-keys/{mine}"))[:2] == ("not-found", 404)
    assert mine not in [item["id"] for item in other.get("/v1/api-keys").json["items"]]


def test_keys_outlive_the_server(start_server: Callable[..., Server]) -> None:
    server = start_server()
    made = server.post("/v1/api-keys", {"name": "n", "role": "admin", "tenant": "acme"}).json
    revoked = server.post("/v1/api-keys", {"name": "n", "role": "admin", "tenant": "acme"}).json
    server.call("DELETE", f"/v1/api-keys/{revoked['id']}")
    server.stop()
    server.start()
    assert server.get("/v1/endpoints", key=made["value"]).status == 200
    assert server.get("/v1/endpoints", key=revoked["value"]).status == 401
    assert server.get("/v1/endpoints", key=OPERATOR_KEY).status == 200
    stored = b"".join(path.read_bytes() for path in server.database.parent.glob(f"{server.database.name}*"))
    assert made["value"].encode() not in stored
    assert OPERATOR_KEY.encode() not in stored


def test_a_revoked_key_is_refused_on_a_connection_that_it_opened(shared_server: Server) -> None:
    caller = Caller(shared_server)
    made = caller.post("/v1/api-keys", {"name": "n", "role": "producer"}).json
    connection = http.client.HTTPConnection(shared_server.url.removeprefix("http://"), timeout=30)
    try:
        connection.connect()
        opened, statuses = connection.sock, []
        for method, path, body in (("GET", "/v1/events", None), ("POST", "/v1/events", b"{}")) * 2:
            connection.request(method, path, body, {"Authorization": f"Bearer {made['value']}"})
            answer = connection.getresponse()
            answer.read()
            statuses.append(answer.status)
            if len(statuses) == 2:
                assert caller.call("DELETE", f"/v1/api-keys/{made['id']}").status == 204
        assert statuses == [200, 422, 401, 401]
        assert connection.sock is opened
    finally:
        connection.close()


def test_an_admin_may_revoke_the_key_it_uses(shared_server: Server) -> None:
    caller = Caller(shared_server)
    mine = caller.get("/v1/api-keys").json["items"][0]["id"]
    assert caller.call("DELETE", f"/v1/api-keys/{mine}").status == 204
    assert problem_of(caller.get("/v1/api-keys"))[:2] == ("unauthenticated", 401)


def test_the_last_operator_key_cannot_be_revoked(start_server: Callable[..., Server]) -> None:
    server = start_server()
    first = server.get("/v1/api-keys").json["items"][0]["id"]
    assert problem_of(server.call("DELETE", f"/v1/api-keys/{first}"))[:2] == ("conflict", 409)
    other = server.post("/v1/api-keys", {"name": "other", "role": "operator"}).json["value"]
    assert server.call("DELETE", f"/v1/api-keys/{first}").status == 204
    assert server.get("/v1/stats").status == 401
    server.stop()
    server.start()
    assert server.get("/v1/stats").status == 401
    assert server.get("/v1/stats", key=other).status == 200


def test_when_a_key_was_last_used_is_kept_when_the_server_stops(start_server: Callable[..., Server]) -> None:
    server = start_server()
    made = server.post("/v1/api-keys", {"name": "n", "role": "viewer", "tenant": "acme"}).json
    unused = server.post("/v1/api-keys", {"name": "n", "role": "viewer", "tenant": "acme"}).json
    assert server.get("/v1/stats", key=made["value"]).status == 200
    server.stop()
    server.start()
    used = {key["id"]: key["last_used_at"] for key in server.get("/v1/api-keys").json["items"]}
    assert used[made["id"]] > made["created_at"]
    assert used[unused["id"]] is None


def test_schemes_of_authorization(shared_server: Server) -> None:
    for header, status in (
        (f"Bearer {OPERATOR_KEY}", 200),
        (f"bearer  {OPERATOR_KEY} ", 200),
        (f"Basic {OPERATOR_KEY}", 401),
        (OPERATOR_KEY, 401),
        ("Bearer", 401),
        ("Bearer " + "x" * 5000, 401),
    ):
        answer = shared_server.get("/v1/stats", key=None, headers={"Authorization": header})
        assert answer.status == status, header
