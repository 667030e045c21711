"""From facts to findings: each has its threshold, a reason and something to do."""

import pytest
from msgspec.structs import replace

from tocsin.model.access import ApiKey, Role
from tocsin.model.circuit import Circuit
from tocsin.model.consent import Consent
from tocsin.model.endpoint import Endpoint, EndpointConfig, Standing
from tocsin.model.finding import Finding
from tocsin.ports import SharedFacts, StoreFacts
from tocsin.rules.delivery_diagnosis import (
    AT_MOST,
    OLD_MS,
    SOON_MS,
    Backlog,
    backlog_findings,
    dead_finding,
    endpoint_findings,
    key_findings,
)
from tocsin.rules.diagnosis import (
    FEW_FILES,
    LARGE_WAL,
    SettingFacts,
    integrity_findings,
    server_findings,
    setting_findings,
    store_findings,
)

NOW = 1_800_000_000_000
MIB = 1024 * 1024
RESERVE = 64 * MIB
SHARED = SharedFacts(
    connections=7,
    most_connections=100,
    is_durable=True,
    has_checksums=True,
    checksum_failures=0,
    replicas=0,
    transaction_seconds=0.1,
    transactions_behind=1,
    live_rows=2_000_000,
    dead_rows=1,
    eras=9,
)
STORE = StoreFacts(
    engine="SQLite",
    place="/s.db",
    filesystem="ext4",
    file_bytes=100 * MIB,
    unused_bytes=0,
    wal_bytes=0,
    free_bytes=10_000 * MIB,
    migration=10,
    newest_migration=10,
    oldest_migration=9,
    position=1,
    last_accepted_at=NOW,
)
SETTINGS = SettingFacts(allow_http=False, allow_networks="", is_key_beside=False, has_public_url=True, host="127.0.0.1")


def codes(findings) -> list[tuple[str, str]]:
    found: list[Finding] = list(findings)
    assert all(f.what and f.why and f.remedy for f in found)
    return [(f.code, f.severity) for f in found]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"free_bytes": RESERVE - 1}, [("disk.reserve", "error")]),
        ({"free_bytes": RESERVE}, [("disk.low", "warning")]),
        ({"free_bytes": 4 * RESERVE}, []),
        ({"free_bytes": 300 * MIB, "file_bytes": 237 * MIB}, [("disk.no_backup", "note")]),
        ({"wal_bytes": LARGE_WAL + 1}, [("store.wal_large", "warning")]),
        ({"migration": 9}, [("store.migrations_pending", "warning")]),
        ({"migration": 11}, [("store.ahead", "note")]),
        ({"migration": 11, "oldest_migration": 11}, [("store.newer", "error")]),
        ({"shared": SHARED}, []),
        ({"shared": replace(SHARED, is_durable=False)}, [("store.not_durable", "error")]),
        ({"shared": replace(SHARED, has_checksums=False)}, [("store.no_checksums", "note")]),
        ({"shared": replace(SHARED, connections=80)}, []),
        ({"shared": replace(SHARED, connections=81)}, [("store.connections", "warning")]),
        ({"shared": replace(SHARED, transaction_seconds=1801.0)}, [("store.long_transaction", "warning")]),
        ({"shared": replace(SHARED, transactions_behind=1_000_000_001)}, [("store.freezing_behind", "warning")]),
        ({"shared": replace(SHARED, dead_rows=2_000_000)}, []),
        ({"shared": replace(SHARED, dead_rows=2_000_001)}, [("store.dead_rows", "warning")]),
        ({"shared": replace(SHARED, live_rows=0, dead_rows=1_000_000)}, []),
        ({"last_accepted_at": NOW + 1000}, []),
        ({"last_accepted_at": NOW + 1001}, [("clock.went_back", "warning")]),
        ({"last_accepted_at": None}, []),
    ],
)
def test_the_store(change, expected):
    assert codes(store_findings(replace(STORE, **change), RESERVE, NOW)) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"is_key_beside": True}, [("settings.key_beside", "note")]),
        ({"allow_http": True}, [("settings.http_allowed", "note")]),
        ({"allow_networks": "10.0.0.0/8, 192.168.1.1/24"}, [("settings.networks_allowed", "note")]),
        ({"allow_networks": "10.0.0.0/8, 0.0.0.0/0"}, [("settings.networks_wide", "warning")]),
        ({"allow_networks": "169.254.0.0/16"}, [("settings.networks_wide", "warning")]),
        ({"allow_networks": "fd00::/8"}, [("settings.networks_wide", "warning")]),
        ({"has_public_url": False}, [("settings.no_public_url", "note")]),
        ({"host": "0.0.0.0"}, [("settings.listens_widely", "note")]),
    ],
)
def test_settings(change, expected):
    assert codes(setting_findings(replace(SETTINGS, **change))) == expected


def test_the_process():
    assert codes(server_findings(-1, [], 0)) == codes(server_findings(FEW_FILES, [], 86_400)) == []
    assert codes(server_findings(FEW_FILES - 1, ["it stopped"], 86_401)) == [
        ("server.not_ready", "error"),
        ("process.few_files", "warning"),
        ("retention.behind", "warning"),
    ]
    assert codes(integrity_findings(["a", "b"])) == [("store.damaged", "error")] * 2


def endpoint(number: int = 1, *, enabled: bool = True) -> Endpoint:
    config = EndpointConfig(name=f"e{number}", url="https://e.example/", enabled=enabled)
    return Endpoint(
        number=number, id=f"end_{number}", tenant="acme", revision=1, active_from=0, created_at=NOW, config=config
    )


@pytest.mark.parametrize(
    ("enabled", "standing", "expected"),
    [
        (True, {}, []),
        (False, {}, []),
        (False, {"stopped": "gone"}, [("endpoint.disabled", "error")]),
        (False, {"stopped": "failing"}, [("endpoint.disabled", "error")]),
        (True, {"failing_since": NOW - 1, "failures": 1, "reason": "500"}, [("endpoint.failing", "warning")]),
        (True, {"paused_until": NOW + 1}, [("endpoint.paused", "note")]),
        (True, {"paused_until": NOW + 1, "failing_since": NOW - 1}, [("endpoint.paused", "warning")]),
        (True, {"circuit": Circuit(opened_at=NOW, probe_at=NOW + 5, openings=1), "failing_since": NOW - 1}, [("endpoint.paused", "warning")]),
        (True, {"consent": Consent(url="https://e.example/", origin="t", state="asked", is_required=True)}, [("endpoint.consent", "warning")]),
    ],
)  # fmt: skip
def test_endpoints(enabled, standing, expected):
    found = endpoint_findings([(endpoint(enabled=enabled), Standing(endpoint=1, **standing))], NOW)
    assert codes(found) == expected


def test_only_the_first_of_many_endpoints_are_told_of():
    standings = [
        (endpoint(number), Standing(endpoint=number, failing_since=NOW, failures=1)) for number in range(AT_MOST + 3)
    ]
    found = list(endpoint_findings(standings, NOW))
    assert len(found) == AT_MOST + 1
    assert found[-1].what.startswith("3 more endpoints")
    assert codes(endpoint_findings(standings[:AT_MOST], NOW)) == [("endpoint.failing", "warning")] * AT_MOST


def test_what_waits_for_long_and_what_died():
    old = Backlog(tenant="a", endpoint_id="end_1", pending=5, oldest_at=NOW - OLD_MS - 1)
    assert codes(backlog_findings([old, replace(old, oldest_at=NOW - OLD_MS)], NOW)) == [
        ("endpoint.backlog", "warning")
    ]
    assert codes(dead_finding(0, [])) == []
    assert codes(dead_finding(3, ["crm"])) == [("deliveries.dead", "warning")]


def key(role: Role, expires_in: int | None, *, made_before: int = SOON_MS) -> ApiKey:
    return ApiKey(
        id="key_1", name="k", role=role, tenant=None if role is Role.OPERATOR else "t", hash=b"",
        created_at=NOW - made_before, expires_at=None if expires_in is None else NOW + expires_in,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([key(Role.VIEWER, None)], []),
        ([key(Role.VIEWER, SOON_MS)], []),
        ([key(Role.VIEWER, SOON_MS - 1)], [("key.expires", "warning")]),
        ([key(Role.VIEWER, -1)], []),
        ([key(Role.VIEWER, 1000, made_before=1000)], []),
        ([key(Role.OPERATOR, 1000)], [("key.expires", "error")]),
        ([key(Role.OPERATOR, 1000), key(Role.OPERATOR, None)], [("key.expires", "warning")]),
    ],
)
def test_keys(keys, expected):
    assert codes(key_findings(keys, NOW)) == expected
