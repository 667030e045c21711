"""Endpoints as code: a file is applied once, and changes nothing a second time; what is exported is what apply takes."""

from __future__ import annotations

import base64
import contextlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.api.callers import Caller
from tests.kit.server import OPERATOR_KEY, Server

from tocsin.cli.main import main

URL = "http://127.0.0.1:9/hook"
PRIVATE_KEY = (
    rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
)
CLIENT = trustme.CA().issue_cert("tocsin@example.com")
SECRET = "whsec_" + base64.b64encode(b"given" * 6).decode()

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20)
ASCII = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
ASSERTION = st.fixed_dictionaries(
    {"private_key": st.just(PRIVATE_KEY), "audience": TEXT},
    optional={"ttl_seconds": st.integers(1, 86400), "use": st.sampled_from(["client_assertion", "grant"])},
)
AUTHORIZATIONS: dict[str, st.SearchStrategy[dict[str, object]]] = {
    "none": st.just({}),
    "basic": st.fixed_dictionaries({"username": st.just("ann"), "password": TEXT}),
    "bearer": st.fixed_dictionaries({"token": ASCII}),
    "api_key": st.fixed_dictionaries({"value": ASCII}, optional={"header": st.just("X-Own")}),
    "oauth2": st.fixed_dictionaries(
        {"token_url": st.just("http://127.0.0.1:9/token"), "client_id": ASCII, "client_secret": ASCII},
        optional={"parameters": st.dictionaries(st.sampled_from(["env", "file", "x"]), TEXT), "assertion": ASSERTION},
    ),
}
SIGNINGS: dict[str, st.SearchStrategy[dict[str, object]]] = {
    "none": st.just({}),
    "standard_webhooks": st.one_of(
        st.just({}), st.just({"secret": SECRET, "overlap_seconds": 0.5}), st.just({"algorithm": "ed25519"})
    ),
    "hmac": st.fixed_dictionaries(
        {"header": st.just("x-sig")},
        optional={"key": ASCII, "prefix": st.just("sha256="), "key_name": TEXT, "encoding": st.just("base64")},
    ),
    "http_message_signature": st.fixed_dictionaries({}, optional={"key_id": st.just("k"), "label": st.just("sig")}),
}
FORMATS: dict[str, st.SearchStrategy[dict[str, object]]] = {
    "cloudevents": st.fixed_dictionaries({}, optional={"mode": st.just("binary"), "source": TEXT}),
    "standard_webhooks": st.just({}),
    "tamr": st.fixed_dictionaries({}, optional={"type": TEXT}),
    "lytics": st.fixed_dictionaries({}, optional={"account_id": TEXT, "priority": st.integers(0, 6)}),
    "telmai": st.fixed_dictionaries({}, optional={"tenant": TEXT}),
    "visier": st.fixed_dictionaries({}, optional={"tenant_code": TEXT}),
    "template": st.fixed_dictionaries(
        {"program": st.sampled_from([".", "# yes: no\nif .type then\n  {a: .type}\nelse empty end\n"])},
        optional={"headers": st.just({"env": ".type"})},
    ),
    "slack": st.fixed_dictionaries({}, optional={"title": TEXT}),
    "teams": st.fixed_dictionaries({}, optional={"link": st.just("https://a.example/{subject_id}")}),
    "email": st.fixed_dictionaries({}, optional={"subject_prefix": TEXT}),
}
FILTER = st.fixed_dictionaries(
    {}, optional={"event_types": st.lists(TEXT, min_size=1, max_size=3), "labels": st.dictionaries(TEXT, TEXT, max_size=2),
        "resources": st.just([{"kind": "source", "id": "no"}]), "where": st.just('data.a > 1e3 && type != "x: y"'),
        "after_failures": st.integers(1, 9)})  # fmt: skip
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "enabled": st.booleans(),
        "filters": st.lists(FILTER, max_size=3),
        "headers": st.lists(st.fixed_dictionaries({"name": st.just("X-A"), "value": ASCII, "sensitive": st.booleans()}), max_size=1),
        "retry": st.just({"schedule_seconds": [0.25, 1, 60], "max_age_seconds": 100.5}),
        "rate_limit": st.just({"requests": 3}),
        "timeout_seconds": st.floats(0.001, 60),
        "ordering": st.just("subject"),
        "circuit": st.just({"failures": 3}),
        "proxy": st.sampled_from(["http://127.0.0.1:3128", {"url": "socks5://127.0.0.1:1", "username": "a", "password": "b"}]),
        "tls": st.just({
            "client_cert_pem": CLIENT.cert_chain_pems[0].bytes().decode(),
            "client_key_pem": CLIENT.private_key_pem.bytes().decode(),
        }),
    },
)  # fmt: skip


def of_kind(table: dict[str, st.SearchStrategy[dict[str, object]]], kind: str) -> st.SearchStrategy[dict[str, object]]:
    return table[kind].map(lambda fields: {"kind": kind} | fields)


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def tocsin(server: Server, *arguments: str, key: str = OPERATOR_KEY, tenant: str | None = None) -> Said:
    """A command in this process."""
    reach = ["--url", server.url, "--api-key", key, *(["--tenant", tenant] if tenant else [])]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = main([*arguments, *reach])
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def mailing_server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("mailing")
    server = Server(folder / "s.db", smtp="smtp://127.0.0.1:9", mail_from="tocsin@example.com")
    yield server
    server.stop()


@pytest.mark.parametrize("kind", FORMATS)
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_exported_is_what_apply_takes(
    kind: str, data: st.DataObject, mailing_server: Server, tmp_path: Path
) -> None:
    """Every format with every kind of authorization and of signing, and whatever else there is. On the same server it changes
    nothing; under another name it makes the same again, given the secrets."""
    caller = Caller(mailing_server)
    document = {"name": data.draw(TEXT), "url": URL, "format": data.draw(of_kind(FORMATS, kind))}
    others = data.draw(OTHERS)
    if kind == "email":
        others = {n: v for n, v in others.items() if n not in {"headers", "tls", "proxy"}}
        document["url"] = "mailto:ann@example.com"
    else:
        document["authorization"] = data.draw(
            st.sampled_from(sorted(AUTHORIZATIONS)).flatmap(lambda k: of_kind(AUTHORIZATIONS, k))
        )
        document["signing"] = data.draw(st.sampled_from(sorted(SIGNINGS)).flatmap(lambda k: of_kind(SIGNINGS, k)))
    made = caller.post("/v1/endpoints", document | others)
    assert made.status == 201, made
    for output in ((), ("--output", "json")):
        exported = tocsin(mailing_server, "endpoints", "export", *output, key=caller.key("admin"))
        assert exported.code == 0, exported
        file = tmp_path / "e.yaml"
        file.write_text(exported.out, encoding="utf-8")
        for key in (caller.key("admin"), OPERATOR_KEY):
            again = tocsin(mailing_server, "apply", str(file), "--dry-run", "--prune", "--output", "json", key=key)
            assert (again.code, again.json) == (0, {"changes": [], "unchanged": 1, "applied": False}), again
    shown = caller.get(f"/v1/endpoints/{made.json['id']}").json
    assert (
        caller.call(
            "PUT", f"/v1/endpoints/{made.json['id']}", {"name": "x", "url": document["url"]} | kept(document)
        ).status
        == 200
    )
    assert tocsin(mailing_server, "apply", str(file), "--dry-run", key=caller.key("admin")).code in {1, 4}
    assert caller.call("DELETE", f"/v1/endpoints/{made.json['id']}").status == 204
    assert shown["name"] == document["name"]


def kept(document: dict[str, Any]) -> dict[str, Any]:
    return {"format": document["format"]}


FILE = """\
endpoints:
  - name: crm
    url: http://127.0.0.1:9/crm
    filters:
      - {event_types: [record.*]}
    authorization:
      kind: basic
      username: ann
      password: {env: CRM_PASSWORD}
    headers:
      - {name: X-Token, value: {file: token.txt}, sensitive: true}
    signing: {kind: standard_webhooks, secret: {env: CRM_SECRET}}
  - name: lake
    url: http://127.0.0.1:9/lake
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRM_PASSWORD", "planted-password")
    monkeypatch.setenv("CRM_SECRET", SECRET)
    (tmp_path / "token.txt").write_text("planted-token\n", encoding="utf-8")
    (tmp_path / "endpoints.yaml").write_text(FILE, encoding="utf-8")
    return tmp_path / "endpoints.yaml"


def test_a_file_is_applied_once(shared_server: Server, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caller = Caller(shared_server)
    run = lambda *arguments: tocsin(shared_server, "apply", str(file), *arguments, key=caller.key("admin"))  # noqa: E731
    caller.endpoint(name="stays")
    tried = run("--dry-run")
    assert tried.code == 1
    assert f"+ create {caller.tenant}/crm" in tried.out
    assert "    signing.secret: made by the server" in tried.out
    assert "2 to create; 0 as in the file." in tried.out
    assert [e["name"] for e in caller.get("/v1/endpoints").json["items"]] == ["stays"]

    nobody = run()
    assert (nobody.code, "say --yes" in nobody.err) == (2, True)
    applied = run("--yes", "--output", "json")
    assert applied.code == 0, applied
    assert [(c["action"], c["name"]) for c in applied.json["changes"]] == [("create", "crm"), ("create", "lake")]
    assert [(s["name"], s["secret"][:6]) for s in applied.json["secrets"]] == [("lake", "whsec_")]
    again = run("--yes", "--output", "json")
    assert (again.code, again.json["changes"], again.json["unchanged"]) == (0, [], 2)
    before = caller.get("/v1/audit").json["items"]

    monkeypatch.setenv("CRM_PASSWORD", "planted-another")
    file.write_text(FILE.replace("/lake", "/sea"), encoding="utf-8")
    tried = run("--dry-run")
    assert tried.code == 1
    lines = [line.strip() for line in tried.out.splitlines()]
    assert [line.split(":")[0] for line in lines] == [
        f"~ change {caller.tenant}/crm  {of(caller, 'crm')['id']}", "authorization.password",
        f"~ change {caller.tenant}/lake  {of(caller, 'lake')['id']}", "url", "2 to change; 0 as in the file.",
    ]  # fmt: skip
    assert caller.get("/v1/audit").json["items"] == before
    old, new = lines[1].removeprefix("authorization.password: ").split(" -> ")
    assert old != new
    assert all(side.startswith("secret ") for side in (old, new))
    assert run("--yes").code == 0
    assert of(caller, "lake")["url"] == "http://127.0.0.1:9/sea"
    assert new == f"secret {of(caller, 'crm')['authorization']['password']['fingerprint']}"
    printed = "".join(said.out + said.err for said in (tried, applied, again))
    assert "planted" not in printed
    assert SECRET not in printed

    file.write_text(FILE, encoding="utf-8")
    pruned = run("--prune", "--yes")
    assert f"- remove {caller.tenant}/stays" in pruned.out
    assert {e["name"] for e in caller.get("/v1/endpoints").json["items"]} == {"crm", "lake"}


def of(caller: Caller, name: str) -> Any:
    return next(e for e in caller.get("/v1/endpoints").json["items"] if e["name"] == name)


def test_what_the_server_refuses_is_said_with_its_line_and_nothing_is_applied(
    shared_server: Server, file: Path
) -> None:
    caller = Caller(shared_server)
    bad = FILE.replace("ann", "ann\n      realm: x").replace("http://127.0.0.1:9/lake", "ftp://lake")
    file.write_text(bad, encoding="utf-8")
    said = tocsin(shared_server, "apply", str(file), "--yes", key=caller.key("admin"))
    assert said.code == 4
    assert f"{file}:9:14 /endpoints/0/authorization/realm: " in said.err
    assert f"{file}:15:10 /endpoints/1/url: " in said.err
    assert caller.get("/v1/endpoints").json["items"] == []
    file.write_text(FILE.replace("CRM_PASSWORD", "ABSENT"), encoding="utf-8")
    said = tocsin(shared_server, "apply", str(file), "--yes", key=caller.key("admin"))
    assert (
        said.code,
        f"{file}:9:17 /endpoints/0/authorization/password: the variable ABSENT is not set" in said.err,
    ) == (2, True)


def test_a_secret_in_the_file_is_warned_of_and_not_repeated(shared_server: Server, file: Path) -> None:
    file.write_text(FILE.replace("{env: CRM_PASSWORD}", "planted-in-file"), encoding="utf-8")
    said = tocsin(shared_server, "apply", str(file), "--dry-run", key=Caller(shared_server).key("admin"))
    assert f"{file}:9:17 /endpoints/0/authorization/password: a secret stands here" in said.err
    assert "planted" not in said.out + said.err


def test_two_endpoints_of_one_name_cannot_be_told_apart(shared_server: Server, file: Path) -> None:
    caller = Caller(shared_server)
    caller.endpoint(name="crm")
    caller.endpoint(name="crm")
    said = tocsin(shared_server, "apply", str(file), "--dry-run", key=caller.key("admin"))
    assert (said.code, "there are 2 endpoints called crm" in said.err) == (2, True)
    said = tocsin(shared_server, "endpoints", "export", key=caller.key("admin"))
    assert (said.code, "2 endpoints of" in said.err) == (2, True)


def test_tenants_of_an_operators_file(shared_server: Server, file: Path) -> None:
    one, two = Caller(shared_server), Caller(shared_server)
    file.write_text(f"tenant: {one.tenant}\n{FILE}    tenant: {two.tenant}\n", encoding="utf-8")
    two.endpoint(name="old")
    said = tocsin(shared_server, "apply", str(file), "--prune", "--yes", "--output", "json")
    assert said.code == 0, said
    assert {(c["action"], c["tenant"], c["name"]) for c in said.json["changes"]} == {
        ("create", one.tenant, "crm"), ("create", two.tenant, "lake"), ("remove", two.tenant, "old"),
    }  # fmt: skip
    assert tocsin(shared_server, "apply", str(file), "--prune", "--dry-run").code == 0
    assert tocsin(shared_server, "apply", str(file), "--dry-run", key=one.key("admin")).code == 4
    assert tocsin(shared_server, "apply", str(file), "--dry-run", key=one.key("viewer")).code == 4


def test_an_operators_own_tenant_is_default(start_server: Any, file: Path) -> None:
    server = start_server()
    server.endpoint(URL, name="crm", tenant="other")
    assert tocsin(server, "apply", str(file), "--yes", "--prune").code == 0
    assert sorted((e["tenant"], e["name"]) for e in server.get("/v1/endpoints").json["items"]) == [
        ("default", "crm"), ("default", "lake"), ("other", "crm"),
    ]  # fmt: skip


def test_secrets_that_the_server_makes_go_to_a_file_where_asked(
    shared_server: Server, file: Path, tmp_path: Path
) -> None:
    key = Caller(shared_server).key("admin")
    kept = tmp_path / "made.txt"
    said = tocsin(shared_server, "apply", str(file), "--yes", "--secrets-file", str(kept), key=key)
    assert said.code == 0, said
    assert "whsec_" not in said.out
    assert kept.read_text(encoding="utf-8").split("\t")[1].startswith("whsec_")
    assert kept.stat().st_mode & 0o777 == 0o600
    file.write_text(FILE + "  - {name: third, url: 'http://127.0.0.1:9/'}\n", encoding="utf-8")
    said = tocsin(shared_server, "apply", str(file), "--yes", "--secrets-file", str(kept), key=key)
    assert (said.code, "File exists" in said.err) == (2, True)
    assert tocsin(shared_server, "apply", str(file), "--dry-run", key=key).code == 1


def test_secrets_as_references_for_another_server(
    shared_server: Server, start_server: Any, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = Caller(shared_server)
    assert tocsin(shared_server, "apply", str(file), "--yes", key=caller.key("admin")).code == 0
    crm = of(caller, "crm")["id"]
    said = tocsin(shared_server, "endpoints", "export", crm, "--by-env", key=caller.key("admin"))
    names = [line.rpartition(" ")[2] for line in said.err.splitlines()]
    assert names == ["CRM_HEADERS_VALUE", "CRM_AUTHORIZATION_PASSWORD", "CRM_SIGNING_SECRET"]
    file.write_text(said.out, encoding="utf-8")
    for name, value in zip(names, ["t", "p", SECRET], strict=True):
        monkeypatch.setenv(name, value)
    other = start_server()
    assert tocsin(other, "apply", str(file), "--yes").code == 0
    (made,) = other.get("/v1/endpoints").json["items"]
    assert (made["name"], made["tenant"], made["authorization"]["username"]) == ("crm", caller.tenant, "ann")
