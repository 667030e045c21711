"""The statements: repeated row groups, optional lines, and the tenant in every statement that serves a request."""

from __future__ import annotations

from importlib.resources import files

import apsw
import apsw.ext
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.adapters.sqlite.statements import read_among, statement, statement_for, statement_with, write_rows

SQL = sorted(
    item.name.removesuffix(".sql")
    for item in files("tocsin.adapters.sqlite").joinpath("sql").iterdir()
    if item.name.endswith(".sql")
)
OWN_LOOPS = "run by the loops of the server, for all tenants"
BY_ENDPOINT = "the endpoint was read with its tenant in the same request"
BY_DELIVERY = "the delivery was read with its tenant in the same request, or by the loop of erasures"
BY_REPLAY = "the replay was read with its tenant in the same request"
BY_ERASURE = "run by the loop of erasures, for what was read of the subject with its tenant"
DATA_KEYS = "data keys are the server's, of no tenant"
WITHOUT_TENANT = {
    "attempt_details": BY_DELIVERY,
    "attempt_sizes": BY_ERASURE,
    "batch_attempt_details": BY_DELIVERY,
    "batch_attempt_sizes": BY_ERASURE,
    "batches_above": BY_ERASURE,
    "batches_of": BY_ERASURE,
    "change_order_keys": BY_ERASURE,
    "deliveries_of_events": BY_ERASURE,
    "end_erasure": BY_ERASURE,
    "erase_attempt": BY_ERASURE,
    "erase_audit": BY_ERASURE,
    "erase_batch_attempt": BY_ERASURE,
    "erase_event": BY_ERASURE,
    "erase_reasons": BY_ERASURE,
    "erase_replay_filters": BY_ERASURE,
    "erased_among": BY_ERASURE,
    "leave_batches": BY_ERASURE,
    "remember_batches": BY_ERASURE,
    "move_erasure": BY_ERASURE,
    "deliveries_of_event": BY_ERASURE,
    "add_attempts": OWN_LOOPS,
    "add_batch_attempt": OWN_LOOPS,
    "add_lines": "the deliveries in them have their tenant in their rows",
    "batch_attempt_detail": OWN_LOOPS,
    "batch_members": OWN_LOOPS,
    "due_batches": OWN_LOOPS,
    "jobs_over": OWN_LOOPS,
    "join_batch": OWN_LOOPS,
    "last_batch_body": OWN_LOOPS,
    "move_to_batch": OWN_LOOPS,
    "next_due_batch": OWN_LOOPS,
    "settle_batch": OWN_LOOPS,
    "settle_members": OWN_LOOPS,
    "waiting_batches": OWN_LOOPS,
    "attempt_detail": OWN_LOOPS,
    "attempts_made": OWN_LOOPS,
    "dead_among": OWN_LOOPS,
    "deliveries_beyond": "it tells no more than that a time had many deliveries",
    "move_tallies_events": "the tenant is part of the row's name",
    "move_tallies_pending": "the tenant is part of the row's name",
    "batch_states": OWN_LOOPS,
    "largest_backlogs": "for /metrics, which shows nothing but endpoint ids",
    "move_replay_counts": OWN_LOOPS,
    "settle_cancelled": OWN_LOOPS,
    "tenant_of_endpoint": OWN_LOOPS,
    "tenants": "it says who the tenants are, to operators",
    "cancel": "the delivery was read with its tenant in the same request",
    "cancel_endpoint": BY_ENDPOINT,
    "cancel_replay": BY_REPLAY,
    "cancelled_among": OWN_LOOPS,
    "change_replay": BY_REPLAY,
    "change_endpoint": BY_ENDPOINT,
    "claims_by_number": OWN_LOOPS,
    "commit_group": OWN_LOOPS,
    "cursor": OWN_LOOPS,
    "data_keys": DATA_KEYS,
    "delivery_head": OWN_LOOPS,
    "directory_revision": OWN_LOOPS,
    "due": OWN_LOOPS,
    "end_replay": BY_REPLAY,
    "endpoints_since": OWN_LOOPS,
    "epoch": OWN_LOOPS,
    "event_id": OWN_LOOPS,
    "event_of_delivery": "the delivery was read with its tenant in the same request",
    "events_after": OWN_LOOPS,
    "fanned_position": OWN_LOOPS,
    "give_up": OWN_LOOPS,
    "head": OWN_LOOPS,
    "in_lines": OWN_LOOPS,
    "in_lines_of_lane": OWN_LOOPS,
    "line_head": OWN_LOOPS,
    "lines_of": OWN_LOOPS,
    "last_body": OWN_LOOPS,
    "move_commit_group": OWN_LOOPS,
    "move_cursor": OWN_LOOPS,
    "move_directory": OWN_LOOPS,
    "move_replay": OWN_LOOPS,
    "next_due": OWN_LOOPS,
    "position_at": "a time is not a secret: it only finds a place in the log",
    "release_ended_lines": OWN_LOOPS,
    "remove_endpoint": BY_ENDPOINT,
    "remove_endpoint_lines": BY_ENDPOINT,
    "remove_lines": OWN_LOOPS,
    "remove_standing": BY_ENDPOINT,
    "removed_endpoints": OWN_LOOPS,
    "replay_pending": OWN_LOOPS,
    "replay_position": OWN_LOOPS,
    "retention_attempts": OWN_LOOPS,
    "retention_batch_attempts": OWN_LOOPS,
    "retention_batches": OWN_LOOPS,
    "retention_clock": OWN_LOOPS,
    "retention_cursors": OWN_LOOPS,
    "retention_deliveries": OWN_LOOPS,
    "retention_deliveries_at": OWN_LOOPS,
    "retention_events": OWN_LOOPS,
    "retention_first_answer": OWN_LOOPS,
    "retention_first_audit": OWN_LOOPS,
    "retention_expire": OWN_LOOPS,
    "retention_expiring": OWN_LOOPS,
    "retention_give_back": OWN_LOOPS,
    "retention_jobs": OWN_LOOPS,
    "retention_leave": OWN_LOOPS,
    "retention_left_deliveries": OWN_LOOPS,
    "retention_left_events": OWN_LOOPS,
    "retention_mark_batch": OWN_LOOPS,
    "retention_members": OWN_LOOPS,
    "retention_needed": OWN_LOOPS,
    "retention_remove_answers": OWN_LOOPS,
    "retention_remove_attempts": OWN_LOOPS,
    "retention_remove_audit": OWN_LOOPS,
    "retention_remove_batch": OWN_LOOPS,
    "retention_remove_batch_attempts": OWN_LOOPS,
    "retention_remove_cursors": OWN_LOOPS,
    "retention_remove_batches_left": OWN_LOOPS,
    "retention_remove_deliveries": OWN_LOOPS,
    "retention_remove_events": OWN_LOOPS,
    "retention_remove_job": OWN_LOOPS,
    "retention_remove_replay": OWN_LOOPS,
    "retention_replays": OWN_LOOPS,
    "retention_rules": OWN_LOOPS,
    "retention_save_clock": OWN_LOOPS,
    "retention_save_cursor": OWN_LOOPS,
    "retention_seen": OWN_LOOPS,
    "retention_space": OWN_LOOPS,
    "retention_streaks": OWN_LOOPS,
    "retention_strip_attempt": OWN_LOOPS,
    "retention_strip_batch_attempt": OWN_LOOPS,
    "retention_take_up": OWN_LOOPS,
    "retention_unended": OWN_LOOPS,
    "retention_versions": OWN_LOOPS,
    "save_data_keys": DATA_KEYS,
    "save_standing": OWN_LOOPS,
    "settle": OWN_LOOPS,
    "standings": OWN_LOOPS,
    "take_cursor": OWN_LOOPS,
    "tenant_counter": "the tenant is the row's name",
    "touch_key": OWN_LOOPS,
    "batch_member_numbers": OWN_LOOPS,
    "batches_by_number": OWN_LOOPS,
    "cancelled_batches": OWN_LOOPS,
    "claims_of_followers": OWN_LOOPS,
    "end_batch": OWN_LOOPS,
    "ended_members": OWN_LOOPS,
    "follower": OWN_LOOPS,
    "free_members": OWN_LOOPS,
    "has_pending_member": OWN_LOOPS,
    "in_pending_batches": OWN_LOOPS,
    "leave_batch": OWN_LOOPS,
    "remember_batch": OWN_LOOPS,
    "line_after": OWN_LOOPS,
    "line_cut": OWN_LOOPS,
    "make_batch_wait": OWN_LOOPS,
    "pending_batches": OWN_LOOPS,
    "release_batches": OWN_LOOPS,
    "waiting_for_batch": OWN_LOOPS,
    "end_batches_of_endpoint": BY_ENDPOINT,
    "unblock": OWN_LOOPS,
    "waiting": OWN_LOOPS,
    "add_given_up": OWN_LOOPS,
    "pending_page": BY_ENDPOINT,
    "dead_reasons": BY_ENDPOINT,
    "given_up": OWN_LOOPS,
    "has_given_up": OWN_LOOPS,
    "notices": OWN_LOOPS,
    "remove_given_up": OWN_LOOPS,
    "remove_notices": OWN_LOOPS,
}


def empty_database() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    for item in sorted(files("tocsin.adapters.sqlite").joinpath("migrations").iterdir(), key=lambda i: i.name):
        if item.name.endswith(".sql"):
            connection.execute(item.read_text(encoding="utf-8"))
    return connection


def is_bound(name: str) -> bool:
    """Whether the statement compares or writes the tenant."""
    text = statement(name).lower()
    inserts = text.startswith("insert") and "tenant" in text.partition("values")[0]
    return inserts or "tenant = ?" in text or "tenant = :tenant" in text


@pytest.mark.parametrize("name", SQL)
def test_every_statement_binds_the_tenant_or_is_listed_with_its_reason(name: str) -> None:
    assert is_bound(name) or name in WITHOUT_TENANT


def test_the_list_of_exemptions_has_nothing_that_needs_none() -> None:
    assert [name for name in WITHOUT_TENANT if name not in SQL or is_bound(name)] == []


@pytest.mark.parametrize("name", SQL)
def test_every_statement_is_one_that_sqlite_takes(name: str) -> None:
    connection = empty_database()
    text = statement(name)
    words = frozenset(word.lstrip("!") for line in text.splitlines() for word in line.partition("--?")[2].split())
    forms = (
        [statement_for(name, 3)]
        if "/*row*/" in text
        else [statement_with(name, words), statement_with(name, frozenset())]
    )
    for form in forms:
        assert len(list(_statements(connection, form))) == 1


def _statements(connection: apsw.Connection, text: str) -> list[str]:
    found: list[str] = []
    rest = text
    while rest.strip():
        info = apsw.ext.query_info(connection, rest)
        found.append(info.first_query)
        rest = info.query_remaining or ""
    return found


def test_optional_lines_are_left_out_unless_their_words_are_given() -> None:
    assert ":tenant" not in statement_with("endpoints", frozenset())
    assert "tenant = :tenant" in statement_with("endpoints", frozenset({"tenant"}))
    by_tenant = statement_with("deliveries", frozenset({"tenant"}))
    assert "d.tenant = :tenant" in by_tenant.replace("+d.tenant", "")
    narrowed = statement_with("deliveries", frozenset({"tenant", "event", "by_position"}))
    assert "+d.tenant = :tenant" in narrowed
    assert "d.tenant = :tenant" not in narrowed.replace("+d.tenant = :tenant", "")


@given(st.integers(0, 700))
def test_any_number_of_rows_is_written(count: int) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE seen (tenant, hash, event_id, at)")
    write_rows(connection, "add_seen", [("t", b"%d" % n, "e", n) for n in range(count)])
    assert connection.execute("SELECT count(*), count(DISTINCT at) FROM seen").fetchall() == [(count, count)]


@pytest.mark.parametrize("among", [["a", "b"], []])
def test_a_list_is_one_parameter(among: list[str]) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE job (tenant, id, snapshot)")
    connection.execute("INSERT INTO job VALUES ('t', 'a', x'01'), ('t', 'c', x'02'), ('u', 'b', x'03')")
    assert read_among(connection, "jobs_by_id", ("t",), among) == ([("a", b"\x01")] if among else [])


def test_what_moved_among_many_endpoints_is_found_by_an_index() -> None:
    plan = empty_database().execute(f"EXPLAIN QUERY PLAN {statement('endpoints_since')}", (7, 7)).fetchall()
    assert "USING INDEX endpoint_by_move" in str(plan[0])
