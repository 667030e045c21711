"""The program as people use it: real processes against a real server."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import Webhook
from tests.kit.server import OPERATOR_KEY
from tests.kit.waiting import until

from tocsin.cli.main import main
from tocsin.receiver import Receiver, StandardWebhooks

SECONDS = 30


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}
    return kept | {"PYTHONPATH": os.pathsep.join(sys.path)} | more


def tocsin(*arguments, server=None, stdin="", cwd=None, **more):
    """Run the program; what came of it."""
    reach = {} if server is None else {"TOCSIN_URL": server.url, "TOCSIN_API_KEY": OPERATOR_KEY}
    return subprocess.run(
        [sys.executable, "-m", "tocsin", *arguments],
        env=environment(**(reach | more)),
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def told(*arguments, server=None, tenant=None):
    """The JSON that a command prints; in this process, to save the time of starting another."""
    reach = () if server is None else ("--url", server.url, "--api-key", OPERATOR_KEY)
    named = () if tenant is None else ("--tenant", tenant)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        assert main([*arguments, *reach, *named, "--output", "json"]) == 0
    return json.loads(printed.getvalue())


def job(server, job_id):
    return server.get(f"/v1/jobs/{job_id}").json


def states(server, job_id):
    found = job(server, job_id)
    return [*(past["state"] for past in found["history"]), found["state"]]


def test_report_change_and_emit(shared_server, tmp_path):
    first = told(
        "report", "j1", "running", "--type", "load", "--resource", "source:s1:Crm", "--label", "team=mdm",
        "--attribute", "rows=12", "--details", "half", server=shared_server,
    )  # fmt: skip
    assert [result["outcome"] for result in first["results"]] == ["changed"]
    failed = told("report", "j1", "failed", "--reason", "LOAD_FAILED", "--message", "no rows", server=shared_server)
    assert len(failed["results"][0]["event_ids"]) == 1
    kept = job(shared_server, "j1")
    assert kept["error"] == {"reason": "LOAD_FAILED", "message": "no rows"}
    assert (kept["labels"], kept["attributes"]) == ({"team": "mdm"}, {"rows": 12})
    assert kept["resources"] == [{"kind": "source", "id": "s1", "name": "Crm"}]

    merged = told("change", "merge", "r1", "--data", '{"a": 1}', "--retired", "r2", server=shared_server)
    assert len(merged["results"][0]["event_ids"]) == 2
    (tmp_path / "changes.json").write_text('[{"action": "delete", "record": {"id": "r1"}}]')
    deleted = told("change", "--json", f"@{tmp_path / 'changes.json'}", server=shared_server)
    assert len(deleted["results"]) == 1

    emit = ("emit", "order.created", "--data", "-", "--id", "o1", "--subject", "o")
    emitted = tocsin(*emit, server=shared_server, stdin="[1]")
    assert emitted.stdout.splitlines()[1].split()[:2] == ["o1", "accepted"]
    again = tocsin(*emit, server=shared_server, stdin="[1]")
    assert again.stdout.splitlines()[1].split()[:2] == ["o1", "duplicate"]
    published = told("data-version", "cat", "7", server=shared_server)
    assert len(published["results"][0]["event_ids"]) == 1


def test_an_array_of_reports_says_what_was_refused(shared_server):
    reports = '[{"job_id": "a1", "job_type": "t", "state": "running"}, {"job_id": "a2", "state": "running"}]'
    done = tocsin("report", "--json", "-", server=shared_server, stdin=reports)
    assert done.returncode == 4
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["JOB_ID", "OUTCOME", "EVENT_IDS", "PROBLEM"]
    assert [line.split()[:2] for line in lines[1:]] == [["a1", "changed"], ["a2", "refused"]]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["nonsense"], 2, "Unknown command"),
        (["report", "x", "dancing"], 2, "Invalid value"),
        (["report"], 2, "a job id, or --json is needed"),
        (["endpoints", "update", "end_x"], 2, "nothing to change"),
        (["endpoints", "show", "end_x"], 4, "There is no such thing."),
        (["report", "x", "running"], 4, "/job_type"),
        (["endpoints", "list", "--api-key", "wrong-key-wrong-key"], 4, "A valid API key is needed."),
        (["endpoints", "list", "--url", "localhost"], 2, "not the http or https address"),
    ],
)
def test_trouble_has_an_exit_code_and_one_line(shared_server, monkeypatch, capsys, arguments, code, complaint):
    monkeypatch.setenv("TOCSIN_URL", shared_server.url)
    monkeypatch.setenv("TOCSIN_API_KEY", OPERATOR_KEY)
    assert main(arguments) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert complaint in err
    assert err.startswith("tocsin: ")


def test_a_problem_is_json_for_programs(shared_server):
    done = tocsin("endpoints", "show", "end_x", "-o", "json", server=shared_server)
    assert done.returncode == 4
    assert json.loads(done.stdout)["type"] == "/problems/not-found"


def test_nobody_there_is_exit_code_3():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    done = tocsin("endpoints", "list", "--url", f"http://127.0.0.1:{port}")
    assert done.returncode == 3
    assert done.stderr.startswith(f"tocsin: http://127.0.0.1:{port} cannot be reached")


def test_an_erasure_needs_a_yes_and_is_followed_to_its_end(shared_server):
    def call(*arguments):
        return told(*arguments, server=shared_server, tenant="erasing")

    report = {"job_id": "person-job", "job_type": "load", "state": "running", "details": "Ann", "tenant": "erasing"}
    assert shared_server.post("/v1/jobs/reports", report).status == 202
    refused = tocsin("erase", "start", "job", "person-job", server=shared_server, TOCSIN_TENANT="erasing")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--yes" in refused.stderr
    assert call("erase", "list") == {"items": []}
    done = call("erase", "start", "job", "person-job", "--yes")
    assert (done["state"], done["report"]["jobs"], done["report"]["events"]) == ("finished", 1, 2)
    assert call("erase", "follow", done["id"]) == call("erase", "show", done["id"]) == done
    assert call("erase", "list") == {"items": [done]}
    shown = tocsin("erase", "show", done["id"], server=shared_server)
    assert "person-job" in shown.stdout
    assert "merged_with" in shown.stdout


async def test_a_replay_is_started_counted_and_followed(shared_server):
    async with Receiver() as receiver:

        async def call(*arguments):
            return await asyncio.to_thread(told, *arguments, server=shared_server, tenant="replaying")

        for number in (1, 2, 3):
            await call("emit", "order.paid", "--subject", str(number), "--data", json.dumps({"n": number}))
        identifier = (await call("endpoints", "add", "late", receiver.url))["id"]
        missing = ("replay", "start", identifier, "--only", "missing")
        counted = (*missing, "--where", "data.n > 1", "--dry-run")
        await until(lambda: told(*counted, server=shared_server, tenant="replaying") == {"total": 2})
        replay = await call(*missing, "--rate", "100")
        assert (replay["state"], replay["total"], replay["done"]) == ("finished", 3, 3)
        assert [one["id"] for one in (await call("replay", "list"))["items"]] == [replay["id"]]
        assert {arrival.headers["webhook-replay"] for arrival in receiver.arrivals} == {replay["id"]}
        shown = await asyncio.to_thread(tocsin, "replay", "show", replay["id"], server=shared_server)
        assert "finished" in shown.stdout
        refused = await asyncio.to_thread(tocsin, "replay", "pause", replay["id"], server=shared_server)
        assert refused.returncode == 4


def test_a_signing_secret_is_replaced(shared_server):
    added = told(
        "endpoints", "add", "signed", "http://127.0.0.1:9/", "--sign", "http_message_signature", server=shared_server
    )
    identifier = added["id"]
    rotated = told("endpoints", "rotate-secret", identifier, "--overlap", "3600", server=shared_server)
    assert rotated["secret"] not in {added["signing"]["secret"], None}
    shown = told("endpoints", "show", identifier, server=shared_server)
    assert shown["signing"]["previous"]["valid_until"] == rotated["old_valid_until"]
    done = tocsin(
        "endpoints",
        "rotate-secret",
        identifier,
        "--secret",
        "-",
        "--overlap",
        "0",
        server=shared_server,
        stdin=added["signing"]["secret"],
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == ["secret", added["signing"]["secret"]]
    assert done.stdout.endswith("Give it to the receiver now. The old one signs no longer.\n")
    told("endpoints", "remove", identifier, server=shared_server)


def test_an_endpoint_is_looked_at_before_it_is_added(shared_server):
    asked = ("endpoints", "add", "draft <b>", "http://127.0.0.1:9/hooks", "--job-type", "never", "--format", "tamr")
    before = told("endpoints", "list", server=shared_server)["items"]
    preview = told(*asked, "--dry-run", server=shared_server)
    assert preview["request"]["url"] == "http://127.0.0.1:9/hooks"
    assert preview["counted"]["matching"] == 0
    done = tocsin(*asked, "--dry-run", server=shared_server)
    assert done.returncode == 0
    assert done.stdout.startswith("Matched 0 of the last ")
    assert "POST http://127.0.0.1:9/hooks" in done.stdout
    assert "webhook-signature" in done.stdout
    assert told("endpoints", "list", server=shared_server)["items"] == before
    added = told(*asked, server=shared_server)
    for search in (("--search", "DRAFT <"), ("--format", "tamr", "--state", "healthy", "--search", "hooks")):
        found = told("endpoints", "list", *search, server=shared_server)["items"]
        assert [one["id"] for one in found] == [added["id"]]
    assert told("endpoints", "list", "--search", "draft", "--state", "paused", server=shared_server)["items"] == []
    told("endpoints", "remove", added["id"], server=shared_server)


async def test_endpoints_and_deliveries(shared_server):
    async with Receiver() as receiver:

        async def call(*arguments):
            return await asyncio.to_thread(told, *arguments, server=shared_server, tenant="cli")

        added = await call(
            "endpoints", "add", "crm", receiver.url, "--event-type", "order.*", "--bearer", "t0ken", "--retry", "0.1,0.1",
        )  # fmt: skip
        receiver.verify_with(StandardWebhooks(added["signing"]["secret"]))
        identifier = added["id"]
        assert added["authorization"]["token"] == {
            "set": True,
            "fingerprint": added["authorization"]["token"]["fingerprint"],
        }

        tested = await call("endpoints", "test", identifier, "--event-type", "order.created")
        assert (tested["outcome"], tested["response"]["status"]) == ("delivered", 204)

        await call("emit", "order.paid", "--subject", "o9", "--data", '{"n": 1}')
        arrivals = await receiver.wait_for_count(2, seconds=SECONDS)
        assert [arrival.verified for arrival in arrivals] == [True, True]
        assert arrivals[1].headers["authorization"] == "Bearer t0ken"

        (delivery,) = (await call("deliveries", "list", "--endpoint", identifier))["items"]
        assert delivery["endpoint_name"] == (await call("endpoints", "show", identifier))["name"]
        assert await call("deliveries", "count", "--endpoint", identifier) == {"count": 1, "complete": True}
        assert await call("deliveries", "cancel-pending", "--event-type", "none.*") == {
            "cancelled": 0,
            "complete": True,
        }
        assert (await call("deliveries", "resend-dead", "--endpoint", identifier, "--dry-run"))["total"] == 0
        assert (await call("deliveries", "dead", "--endpoint", identifier))["items"] == []
        assert (delivery["event_type"], delivery["subject_id"]) == ("order.paid", "o9")
        resent = await call("deliveries", "resend", delivery["id"])
        assert resent["resend_of"] == delivery["id"]
        arrivals = await receiver.wait_for_count(3, seconds=SECONDS)
        assert arrivals[2].webhook_id == arrivals[1].webhook_id
        shown = await asyncio.to_thread(tocsin, "deliveries", "show", delivery["id"], server=shared_server)
        assert "attempt 1  delivered" in shown.stdout
        assert "answer 204" in shown.stdout
        (event,) = (await call("events", "list", "--event-type", "order.*", "--subject-id", "o9"))["items"]
        assert event["id"] == delivery["event_id"]
        assert (await call("events", "list", "--until", "2026-01-01T00:00:00Z"))["items"] == []
        shown = await asyncio.to_thread(tocsin, "events", "show", event["id"], server=shared_server)
        assert '{"n": 1}' in shown.stdout
        assert f"{delivery['id']}  delivered  1" in shown.stdout

        changed = await call("endpoints", "update", identifier, "--name", "crm2", "--max-in-flight", "3")
        assert (changed["name"], changed["max_in_flight"], changed["url"]) == ("crm2", 3, receiver.url)
        assert (await call("endpoints", "show", identifier))["circuit_state"]["state"] == "closed"
        only = ("--event-type", "job.*", "--since", "2026-01-01T00:00:00Z")
        assert (await call("endpoints", "cancel-pending", identifier, *only))["cancelled"] == 0
        assert (await call("endpoints", "disable", identifier))["enabled"] is False
        refused = await asyncio.to_thread(tocsin, "deliveries", "resend", delivery["id"], server=shared_server)
        assert refused.returncode == 4
        assert (await call("endpoints", "enable", identifier))["enabled"] is True
    broken = await asyncio.to_thread(tocsin, "endpoints", "test", identifier, server=shared_server)
    assert broken.returncode == 1
    assert "connect" in broken.stdout
    listed = await asyncio.to_thread(tocsin, "endpoints", "list", server=shared_server, TOCSIN_TENANT="cli")
    assert listed.stdout.splitlines()[1].split() == [
        identifier, "crm2", "healthy", "cloudevents", "order.*", receiver.url,
    ]  # fmt: skip
    assert (await call("endpoints", "remove", identifier)) == {"id": identifier, "removed": True}
    empty = await asyncio.to_thread(tocsin, "endpoints", "list", server=shared_server, TOCSIN_TENANT="cli")
    assert empty.stdout == "There are no endpoints. Add one: tocsin endpoints add NAME URL\n"


def test_keys(shared_server):
    made = told("keys", "add", "ci", "--role", "viewer", "--tenant", "acme", server=shared_server)
    assert tocsin("endpoints", "list", server=shared_server, TOCSIN_API_KEY=made["value"]).returncode == 0
    assert tocsin("keys", "add", "more", server=shared_server, TOCSIN_API_KEY=made["value"]).returncode == 4
    assert made["id"] in [key["id"] for key in told("keys", "list", server=shared_server)["items"]]
    assert told("keys", "revoke", made["id"], server=shared_server)["revoked"] is True
    assert tocsin("endpoints", "list", server=shared_server, TOCSIN_API_KEY=made["value"]).returncode == 4


def test_audit(shared_server, capsys):
    named = {"server": shared_server, "tenant": "audited"}
    made = told("endpoints", "add", "crm", "https://crm.example/", **named)
    told("endpoints", "disable", made["id"], **named)
    changed, created = told("audit", "--target", made["id"], **named)["items"]
    assert (changed["action"], created["action"]) == ("endpoint.disabled", "endpoint.created")
    assert created["actor"] == changed["actor"]
    assert made["signing"]["secret"] not in json.dumps([changed, created])
    reach = ("--url", shared_server.url, "--api-key", OPERATOR_KEY, "--tenant", "audited")
    assert main(["audit", "--action", "endpoint.disabled", *reach]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["AT", "ACTION", "TARGET", "BY", "TENANT", "CHANGE"]
    assert made["id"] in row
    assert "bootstrap (operator)" in row
    assert row.endswith("enabled: true -> false; state: healthy -> disabled")
    assert main(["audit", "--target", "end_none", *reach]) == 0
    assert capsys.readouterr().out == "Nothing was changed.\n"


def test_retention(shared_server, capsys):
    named = {"server": shared_server, "tenant": "kept"}
    times = ("--bodies", "record.*=1h", "--rows", "record.*=30d, job.*=never")
    done = told("retention", "set", *times, **named)
    rules = [{name: value for name, value in rule.items() if value is not None} for rule in done["rules"]]
    assert rules == [
        {"event_types": ["record.*"], "bodies_seconds": 3600},
        {"event_types": ["record.*"], "rows_seconds": 30 * 86400},
        {"event_types": ["job.*"], "rows_seconds": 0},
    ]
    assert told("retention", "show", **named)["tenants"] == [done]
    reach = ("--url", shared_server.url, "--api-key", OPERATOR_KEY)
    assert main(["retention", "show", *reach]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["bodies", "kept", "record.*", "1h"] in lines
    assert ["rows", "kept", "job.*", "for", "ever"] in lines
    assert ["attempts", "*", "30d"] in lines
    assert ["behind", "0", "s"] in lines
    for wrong in ((), ("--rows", "soon"), ("--rows", "7d", "--nothing")):
        assert main(["retention", "set", *wrong, *reach]) == 2
    assert told("retention", "set", "--nothing", **named)["rules"] == []


def test_run_reports_success_and_keeps_the_output(shared_server):
    inner = [sys.executable, "-m", "tocsin", "run", "--job-id", "run-child", "--", sys.executable, "-c", "print('in')"]
    outer = f"import subprocess; print('out', flush=True); subprocess.run({inner!r}, check=True)"
    done = tocsin(
        "run", "--type", "load", "--job-id", "run-ok", "--", sys.executable, "-c", outer, server=shared_server
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "out\nin\n", "")
    assert states(shared_server, "run-ok") == ["running", "succeeded"]
    assert job(shared_server, "run-ok")["job_type"] == "load"
    assert job(shared_server, "run-child")["parent_job_id"] == "run-ok"


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ([sys.executable, "-c", "import sys; sys.exit(7)"], 7, "EXIT_CODE_7"),
        ([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"], 137, "KILLED_BY_SIGKILL"),
        (["/nowhere/at-all"], 127, "COMMAND_NOT_FOUND"),
        (["/"], 126, "COMMAND_NOT_EXECUTABLE"),
    ],
)
def test_run_keeps_the_exit_code_and_says_why(shared_server, command, code, reason):
    name = f"run-{reason}"
    assert tocsin("run", "--job-id", name, "--", *command, server=shared_server).returncode == code
    assert states(shared_server, name) == ["running", "failed"]
    assert job(shared_server, name)["error"]["reason"] == reason


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_passes_signals_on_and_reports_stopped(shared_server, tmp_path, number):
    name = f"run-{number.name}"
    waits = (
        "import os, signal, sys\n"
        "def end(number, frame):\n    os.write(1, signal.Signals(number).name.encode() + b'\\n')\n    sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, end); signal.signal(signal.SIGINT, end)\n"
        "os.write(1, b'up\\n')\nwhile True: signal.pause()\n"
    )
    reach = {"TOCSIN_URL": shared_server.url, "TOCSIN_API_KEY": OPERATOR_KEY}
    with subprocess.Popen(
        [sys.executable, "-m", "tocsin", "run", "--job-id", name, "--", sys.executable, "-c", waits],
        env=environment(**reach),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            process.send_signal(number)
            rest, _ = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (rest, process.returncode) == (f"{number.name}\n", 5)
    assert states(shared_server, name) == ["running", "stopping", "stopped"]


def test_run_does_not_need_the_server():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    done = tocsin(
        "run",
        "--job-id",
        "lost",
        "--report-seconds",
        "0.2",
        "--",
        "echo",
        "done",
        TOCSIN_URL=f"http://127.0.0.1:{port}",
    )
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "tocsin: job lost could not be reported" in done.stderr


def test_run_says_that_it_was_refused(shared_server):
    done = tocsin("run", "--", "true", server=shared_server, TOCSIN_API_KEY="wrong-key-wrong-key")
    assert done.returncode == 0
    assert "refused: A valid API key is needed." in done.stderr


@contextlib.contextmanager
def started(*arguments, cwd=None, **more):
    """A program that goes on, and its first line of output as JSON."""
    with subprocess.Popen(
        [sys.executable, "-m", "tocsin", *arguments, "--output", "json"],
        env=environment(**more),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_shows_the_first_key_once_and_ends_cleanly(tmp_path, number):
    with started("serve", "--listen", "127.0.0.1:0", cwd=tmp_path) as (process, said):
        key = said["generated_key"]
        assert told("endpoints", "list", "--url", said["url"], "--api-key", key) == {"items": []}
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
    with started("serve", "--listen", "127.0.0.1:0", cwd=tmp_path) as (process, said):
        assert said["generated_key"] is None
        assert told("endpoints", "list", "--url", said["url"], "--api-key", key) == {"items": []}
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
    assert (tmp_path / "tocsin.db").exists()


def test_serve_and_migrate_say_what_is_wrong(tmp_path):
    wrong = tocsin("serve", "--database", "postgresql://x", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "TOCSIN_DATABASE (from flag)" in wrong.stderr
    migrated = tocsin("migrate", "-o", "json", cwd=tmp_path)
    assert json.loads(migrated.stdout) == {"database": "tocsin.db", "migrated": True}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = tocsin("serve", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", cwd=tmp_path)
    assert busy.returncode in {1, 2}
    assert "Traceback" not in busy.stderr


def test_config_shows_values_origins_and_no_secrets(tmp_path, monkeypatch):
    (tmp_path / "tocsin.toml").write_text('log_level = "debug"\nallow_http = true\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOCSIN_ALLOW_HTTP", "false")
    monkeypatch.setenv("TOCSIN_BOOTSTRAP_KEY", "secret-secret-secret")
    shown = told("config", "--listen", "127.0.0.1:9")
    found = {row["name"]: (row["value"], row["origin"]) for row in shown["settings"]}
    assert found["listen"] == ("127.0.0.1:9", "flag")
    assert found["allow_http"] == ("false", "environment")
    assert found["log_level"] == ("debug", "file")
    assert found["database"] == ("sqlite:///tocsin.db", "default")
    assert found["bootstrap_key"] == ("********", "environment")
    text = tocsin("config", cwd=tmp_path, TOCSIN_BOOTSTRAP_KEY="secret-secret-secret")
    assert text.stdout.splitlines()[0].split() == ["SETTING", "VALUE", "ORIGIN"]
    assert "secret-secret" not in text.stdout


def test_receive_verifies_fails_and_counts(tmp_path):
    secret = "whsec_" + base64.b64encode(b"r" * 32).decode()
    options = ("--port", "0", "--secret", secret, "--fail", "1", "--status", "500", "--count", "3")
    body = '{"specversion": "1.0", "type": "job.failed", "subject": "j-1"}'
    now = int(time.time())
    signature = Webhook(secret).sign("evt_1", datetime.fromtimestamp(now, UTC), body)
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(now), "webhook-signature": signature}
    statuses = []
    with started("receive", *options) as (process, said):
        with contextlib.closing(http.client.HTTPConnection(said["url"].split("/")[2], timeout=10)) as connection:
            for sent in (headers, headers, {}):
                connection.request("POST", "/hook", body, sent)
                answer = connection.getresponse()
                answer.read()
                statuses.append(answer.status)
        rest, _ = process.communicate(timeout=SECONDS)
    assert (process.returncode, statuses) == (0, [500, 204, 401])
    arrivals = [json.loads(line) for line in rest.splitlines()]
    assert [arrival["verified"] for arrival in arrivals] == [True, True, False]
    assert arrivals[0]["body"] == json.loads(body)
    assert (arrivals[0]["event"], arrivals[0]["subject"], arrivals[0]["path"]) == ("job.failed", "j-1", "/hook")
    assert arrivals[2]["problem"] == "webhook-id is missing"


def test_openapi_version_and_completion(shared_server, tmp_path):
    assert told("openapi", server=shared_server)["openapi"].startswith("3.")
    assert tocsin("--version").stdout.count(".") == 2
    script = tocsin("completion", "bash").stdout
    (tmp_path / "completion").write_text(script)
    assert subprocess.run(["bash", "-n", tmp_path / "completion"], check=False, timeout=SECONDS).returncode == 0
    assert "endpoints" in script


def test_help_is_there_for_every_command():
    shown = tocsin("--help")
    assert shown.returncode == 0
    for name in ("demo", "serve", "run", "report", "change", "emit", "endpoints", "deliveries", "keys", "receive"):
        assert f" {name} " in shown.stdout
    assert Path(sys.executable).name not in shown.stdout


def test_jobs_and_records(shared_server):
    for item in (
        {"job_id": "a/b", "name": "Nightly", "state": "running", "mode": "realtime"},
        {"job_id": "a/b", "state": "failed", "error": {"reason": "NO", "message": "why"}},
        {"job_id": "c", "state": "running", "parent_job_id": "a/b"},
    ):
        sent = {"job_type": "look", "tenant": "jobs"} | item
        assert shared_server.post("/v1/jobs/reports", sent).status == 202
    listed = told("jobs", "list", "--search", "NIGHT", "--mode", "realtime", server=shared_server, tenant="jobs")
    assert [job["job_id"] for job in listed["items"]] == ["a/b"]
    assert told("jobs", "show", "a/b", server=shared_server, tenant="jobs")["state"] == "failed"
    tree = told("jobs", "tree", "c", server=shared_server, tenant="jobs")
    assert [(job["depth"], job["job_id"]) for job in tree["jobs"]] == [(0, "a/b"), (1, "c")]
    for change in (
        {"action": "create", "record": {"id": "r2", "data": {}}},
        {"action": "merge", "record": {"id": "r1", "data": {}}, "retired": {"id": "r2"}},
    ):
        sent = {"table": "t", "tenant": "jobs"} | change
        assert shared_server.post("/v1/records/changes", sent).status == 202
    found = told("records", "history", "r2", "--table", "t", server=shared_server, tenant="jobs")
    assert [event["data"]["action"] for event in found["items"]] == ["merge", "create"]
    for arguments, words in (
        (("jobs", "list"), ("Nightly", "a/b", "failed")),
        (("jobs", "show", "a/b"), ("NO why", "running", "realtime")),
        (("jobs", "tree", "a/b", "--limit", "1"), ("Nightly", "There are more jobs")),
        (("records", "history", "r2", "--table", "t"), ("t/r1", "deleted")),
    ):
        shown = tocsin(*arguments, "--tenant", "jobs", server=shared_server)
        assert shown.returncode == 0, shown.stderr
        for word in words:
            assert word in shown.stdout, shown.stdout
