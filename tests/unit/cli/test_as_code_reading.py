"""Files of endpoints: where everything stands, what is refused and how that is said, references."""

import pytest

from tocsin.cli.as_code.reading import entries, read_source
from tocsin.cli.as_code.references import Unresolved, by_name, in_plain_text, resolve
from tocsin.cli.inputs import Usage

FILE = """\
tenant: acme
endpoints:
  - name: crm
    url: https://crm.example.com/
    authorization:
      kind: basic
      username: ann
      password: {env: CRM_PASSWORD}
  - name: lake
    tenant: other
    url: https://lake.example.com/
"""


def written(tmp_path, text):
    path = tmp_path / "e.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_endpoints_with_their_tenants_and_places(tmp_path):
    path = written(tmp_path, FILE)
    source = read_source(path)
    found = entries(source, "flag")
    assert [(entry.tenant, entry.name, entry.pointer) for entry in found] == [
        ("acme", "crm", "/endpoints/0"),
        ("other", "lake", "/endpoints/1"),
    ]
    assert "tenant" not in found[1].settings
    assert source.at("/endpoints/0/url") == f"{path}:4:10 /endpoints/0/url"
    assert source.at("/endpoints/1/filters/0") == f"{path}:9:5 /endpoints/1/filters/0"


def test_json_is_read_too(tmp_path):
    source = read_source(written(tmp_path, '{"endpoints": [{"name": "a", "url": "\\ud83d\\ude00"}]}'))
    assert entries(source, "flag")[0].settings["url"] == "\U0001f600"
    assert entries(source, "flag")[0].tenant == "flag"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("endpoints: [", "e.yaml:1:13: expected the node content"),
        ("endpoints:\n  - name: a\n    name: b\n", "e.yaml:3:5: name stands here twice"),
        ("endpoints:\n  - name: a\n  - name: a\n", "e.yaml:3:11 /endpoints/1/name: "),
        ("endpoints:\n  - url: a\n", "e.yaml:2:5 /endpoints/0/name: an endpoint needs a name"),
        ("endpoints:\n  - a\n", "e.yaml:2:5 /endpoints/0: an endpoint must be a mapping"),
        ("endpoints: []\nprune: true\n", "e.yaml:2:8 /prune: there is no such field"),
        ("endpoints: []\ntenant: [a]\n", "e.yaml:2:9 /tenant: a tenant is a text"),
        ("- a\n", "e.yaml:1:1: there must be a list called endpoints"),
        ("", "e.yaml: there must be a list called endpoints"),
        ("endpoints: &a [*a]\n", "this means too much"),
        ("endpoints: [!secret x]\n", "e.yaml:1:13: tags like !secret"),
        ("? [a]\n: b\n", "e.yaml:1:3: a name must be a text"),
        ("a: \x01", "a character in it that YAML does not allow"),
        ('{"endpoints": [}', "e.yaml:1:16: Expecting value"),
        ('{"endpoints": [], "endpoints": []}', "endpoints stands twice"),
        ("---\na: b\n---\nc: d\n", "e.yaml:3:1: but found another document"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_place(tmp_path, text, said):
    with pytest.raises(Usage) as caught:
        entries(read_source(written(tmp_path, text)), None)
    assert said in str(caught.value)


def test_a_syntax_error_does_not_quote_the_file(tmp_path):
    with pytest.raises(Usage) as caught:
        read_source(written(tmp_path, "endpoints:\n  - token: hush-hush: x\n"))
    assert "hush" not in str(caught.value)
    assert "e.yaml:2:" in str(caught.value)


def test_aliases_cannot_mean_more_than_there_is_room_for(tmp_path):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    with pytest.raises(Usage) as caught:
        read_source(written(tmp_path, "\n".join(lines)))
    assert "means too much" in str(caught.value)


def test_references_are_followed_wherever_a_text_may_stand(tmp_path):
    (tmp_path / "key.pem").write_text("PEM\n\n", encoding="utf-8")
    settings = {
        "name": {"env": "NAME"},
        "headers": [{"name": "X", "value": {"file": "key.pem"}, "sensitive": True}],
        "filters": [{"labels": {"env": "prod"}}],
        "authorization": {"kind": "oauth2", "parameters": {"file": "not-one"}, "client_secret": {"env": "NAME"}},
        "format": {"kind": "template", "headers": {"file": {"file": "key.pem"}}},
    }
    resolved = resolve(settings, tmp_path, {"NAME": "n"})
    assert resolved.settings == {
        "name": "n",
        "headers": [{"name": "X", "value": "PEM", "sensitive": True}],
        "filters": [{"labels": {"env": "prod"}}],
        "authorization": {"kind": "oauth2", "parameters": {"file": "not-one"}, "client_secret": "n"},
        "format": {"kind": "template", "headers": {"file": "PEM"}},
    }
    assert resolved.references == {"/name", "/headers/0/value", "/authorization/client_secret", "/format/headers/file"}
    assert "PEM" not in repr(resolved)


@pytest.mark.parametrize(("reference", "said"), [
    ({"env": "ABSENT"}, "the variable ABSENT is not set"),
    ({"file": "absent"}, "absent cannot be read: No such file or directory"),
    ({"file": "empty"}, "empty is empty"),
    ({"file": "binary"}, "binary is not a text"),
])  # fmt: skip
def test_a_reference_to_nothing_is_said_by_its_place(tmp_path, reference, said):
    (tmp_path / "empty").write_bytes(b"\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    with pytest.raises(Unresolved, match=said) as caught:
        resolve({"authorization": {"kind": "bearer", "token": reference}}, tmp_path, {})
    assert caught.value.pointer == "/authorization/token"


def test_secrets_in_the_file_itself_are_found(tmp_path):
    settings = {
        "name": "n",
        "url": "u",
        "authorization": {"kind": "bearer", "token": "plain"},
        "signing": {"kind": "hmac", "header": "h", "key": {"env": "KEY"}},
        "headers": [{"name": "A", "value": "open"}, {"name": "B", "value": "hush", "sensitive": True}],
    }
    found = in_plain_text(resolve(settings, tmp_path, {"KEY": "k"}))
    assert set(found) == {"/authorization/token", "/headers/1/value"}


def test_fingerprints_become_references_by_name():
    shown = {"set": True, "fingerprint": "f"}
    settings = {"name": "My CRM", "authorization": {"token": shown}, "headers": [{"value": shown}, {"value": "x"}]}
    named, names = by_name(settings, "My CRM")
    assert names == ["MY_CRM_AUTHORIZATION_TOKEN", "MY_CRM_HEADERS_0_VALUE"]
    assert named["authorization"] == {"token": {"env": names[0]}}
    assert named["headers"] == [{"value": {"env": names[1]}}, {"value": "x"}]
