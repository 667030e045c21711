"""`report`, `change`, `emit`, `data-version`: what a producer tells, from a shell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import quote

from cyclopts import Parameter

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.inputs import JsonText, Usage, json_argument, json_object, pairs, resources, values
from tocsin.cli.output import print_json, print_table
from tocsin.client.fields import event_body

State = Literal[
    "pending", "preparing", "running", "waiting", "stopping", "rescheduled", "succeeded", "failed", "stopped"
]
Signal = Literal["updated", "deleted", "progressed", "syncing", "synced", "sync_completed"]
Action = Literal["create", "update", "delete", "merge", "unmerge", "enrich"]
Many = Annotated[list[str] | None, Parameter(negative=())]
Flag = Annotated[bool, Parameter(negative=(), show_default=False)]


def report(  # noqa: PLR0913 (one parameter for each field of a report)
    job_id: str | None = None,
    state: State | None = None,
    /,
    *,
    signal: Signal | None = None,
    type: Annotated[str | None, Parameter(name="--type")] = None,  # noqa: A002 (the option's name)
    name: str | None = None,
    mode: Literal["batch", "realtime"] | None = None,
    time: str | None = None,
    details: str | None = None,
    reason: str | None = None,
    message: str | None = None,
    resource: Many = None,
    parent: str | None = None,
    root: str | None = None,
    attribute: Many = None,
    label: Many = None,
    overdue_after: float | None = None,
    restart: Flag = False,
    json: JsonText = None,
    connection: Connection = HERE,
) -> int:
    """Report on a job: its state, or a signal.

    `tocsin report nightly-1 running --type load_source` and later `tocsin report nightly-1 succeeded`.

    :param job_id: The job's own id.
    :param state: The state it is in now.
    :param signal: Something that leaves the state as it is.
    :param type: What kind of job it is; needed in the first report.
    :param name: A name for people.
    :param mode: `batch` unless said otherwise.
    :param time: When it happened (RFC 3339); now, when not given.
    :param details: Progress, in words.
    :param reason: Short code of the error, with failed, stopped and rescheduled.
    :param message: The error in words.
    :param resource: What it works on, as kind:id or kind:id:name; may be repeated.
    :param parent: Id of the job that spawned it.
    :param root: Id of the first job of the chain.
    :param attribute: key=value, the value may be JSON; may be repeated.
    :param label: key=value; may be repeated.
    :param overdue_after: Seconds after which it counts as overdue.
    :param restart: It runs again although it had ended.
    :param json: A whole report, or an array of them, as JSON, @file or - (standard input); options are added to a single one.
    """
    options: dict[str, object] = {
        "job_id": job_id,
        "state": state,
        "signal": signal,
        "job_type": type,
        "name": name,
        "mode": mode,
        "time": time,
        "details": details,
        "error": _error(reason, message),
        "resources": resources(resource) or None,
        "parent_job_id": parent,
        "root_job_id": root,
        "attributes": values(attribute, "--attribute") or None,
        "labels": pairs(label, "--label") or None,
        "overdue_after_seconds": overdue_after,
        "restart": restart or None,
    }
    body = _merged(json, options, needed="job_id", hint="a job id, or --json")
    return _submit(connection, "/v1/jobs/reports", body, ("job_id", "outcome", "event_ids"))


def change(  # noqa: PLR0913 (one parameter for each field of a change)
    action: Action | None = None,
    record_id: str | None = None,
    /,
    *,
    table: str | None = None,
    data: JsonText = None,
    retired: str | None = None,
    resurrected: str | None = None,
    resurrected_data: JsonText = None,
    version_id: int | None = None,
    time: str | None = None,
    json: JsonText = None,
    connection: Connection = HERE,
) -> int:
    """Tell of a change to a golden record.

    `tocsin change merge r1 --table customers --data '{"name": "Ann"}' --retired r2`

    :param action: What happened.
    :param record_id: The record; for merge and unmerge the one that stays.
    :param table: Its table; `default`, when not given.
    :param data: Its new data: a JSON object, @file or - (standard input).
    :param retired: With merge: the record that went away.
    :param resurrected: With unmerge: the record that came back.
    :param resurrected_data: With unmerge: its data.
    :param version_id: Number of the logical action, higher than any before; assigned, when not given.
    :param time: When it happened (RFC 3339); now, when not given.
    :param json: A whole change, or an array of them (all or nothing), as JSON, @file or -.
    """
    record: dict[str, object] | None = {"id": record_id} if record_id else None
    if data is not None:
        record = (record or {}) | {"data": json_object(data, "--data")}
    if resurrected_data is not None and resurrected is None:
        raise Usage("--resurrected-data goes with --resurrected")
    options: dict[str, object] = {
        "action": action,
        "record": record,
        "table": table,
        "retired": {"id": retired} if retired else None,
        "resurrected": _resurrected(resurrected, resurrected_data),
        "version_id": version_id,
        "time": time,
    }
    body = _merged(json, options, needed="record", hint="an action and a record id, or --json")
    return _submit(connection, "/v1/records/changes", body, ("version_id", "event_ids"))


def emit(
    type: str | None = None,  # noqa: A002 (the word of CloudEvents)
    /,
    *,
    data: JsonText = None,
    subject: str | None = None,
    source: str | None = None,
    id: str | None = None,  # noqa: A002 (the word of CloudEvents)
    time: str | None = None,
    extension: Many = None,
    json: JsonText = None,
    connection: Connection = HERE,
) -> int:
    """Send any event as a CloudEvent.

    `tocsin emit order.created --subject order-7 --data '{"amount": 12}'`

    :param type: <subject type>.<verb>
    :param data: JSON, @file or - (standard input).
    :param subject: What it is about.
    :param source: Where it comes from, a URI reference; `/tocsin-client`, when not given.
    :param id: Its id, unique for the source; made, when not given. The same again is a duplicate.
    :param time: When it happened (RFC 3339).
    :param extension: key=value; may be repeated.
    :param json: A whole CloudEvent, or an array of them (all or nothing), as JSON, @file or -.
    """
    if json is not None:
        if type is not None:
            raise Usage("give a type or --json, not both")
        body = json_argument(json, "--json")
        batch = isinstance(body, list)
    elif type is None:
        raise Usage("an event type is needed, or --json")
    else:
        event = dict(event_body(type, None if data is None else json_argument(data, "--data"), {}))
        named = {"source": source, "id": id, "subject": subject, "time": time}
        body = event | values(extension, "--extension") | {key: text for key, text in named.items() if text is not None}
        batch = False
    kind = "application/cloudevents-batch+json" if batch else "application/cloudevents+json"
    return _submit(connection, "/v1/events", body, ("id", "outcome", "event_id"), kind)


def data_version(category: str, version: str, /, *, time: str | None = None, connection: Connection = HERE) -> int:
    """Tell that a version of a data category was published.

    :param category: Id of the data category.
    :param version: The published version.
    :param time: When it happened (RFC 3339); now, when not given.
    """
    body = {"data_category_id": category, "data_version": version} | ({"time": time} if time else {})
    return _submit(connection, "/v1/data-versions", body, ("version_id", "event_ids"))


def receipt(receipt_id: str, /, *, connection: Connection = HERE) -> int:
    """Show what came of a submission that was answered `queued` (with a replicated intake). Exit code 4: it was refused.

    :param receipt_id: As the answer named it.
    """
    found = connection.request("GET", f"/v1/receipts/{quote(receipt_id, safe='')}")
    state = found.get("state") if isinstance(found, dict) else None
    if connection.is_json or not isinstance(found, dict):
        print_json(found)
    else:
        problem = found.get("problem")
        why = problem.get("detail") or problem.get("title") if isinstance(problem, dict) else ""
        print_table(("RECEIPT", "STATE", "AT", "PROBLEM"), [(receipt_id, state, found.get("at") or "", why)])
    return 4 if state == "refused" else 0


def _submit(
    connection: Connection, path: str, body: object, columns: tuple[str, ...], content_type: str = "application/json"
) -> int:
    answer = connection.request("POST", path, body, content_type=content_type)
    found = answer.get("results") if isinstance(answer, dict) else None
    results = [result for result in found if isinstance(result, dict)] if isinstance(found, list) else []
    if connection.is_json:
        print_json(answer)
    else:
        kept = [name for name in columns if any(name in result for result in results)]
        if any("problem" in result for result in results):
            kept.append("problem")
        print_table([name.upper() for name in kept], [_row(result, kept) for result in results], empty="Nothing.")
    return 4 if any(result.get("outcome") == "refused" for result in results) else 0


def _row(result: Mapping[str, object], columns: list[str]) -> list[object]:
    row: list[object] = []
    for name in columns:
        value = result.get(name)
        if isinstance(value, list):
            row.append(" ".join(str(item) for item in value))
        elif isinstance(value, dict):
            row.append(value.get("detail") or value.get("title"))
        else:
            row.append(value)
    return row


def _merged(json: str | None, options: Mapping[str, object], *, needed: str, hint: str) -> object:
    given = {name: value for name, value in options.items() if value is not None}
    if json is None:
        if needed not in given:
            raise Usage(f"{hint} is needed")
        return given
    body = json_argument(json, "--json")
    if isinstance(body, dict):
        return body | given
    if given:
        raise Usage("options cannot be added to an array")
    return body


def _error(reason: str | None, message: str | None) -> dict[str, str] | None:
    if reason is None and message is None:
        return None
    return {"reason": reason or "JOB_FAILED"} | ({"message": message} if message else {})


def _resurrected(identifier: str | None, data: str | None) -> dict[str, object] | None:
    if identifier is None:
        return None
    return {"id": identifier, "data": {} if data is None else json_object(data, "--resurrected-data")}
