"""`endpoints ...`: list, show, export, add, update, remove, enable, disable, resume, cancel-pending, test, rotate-secret, stats."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Literal

from cyclopts import App, Parameter

from tocsin.cli.as_code.export import export
from tocsin.cli.attempts import print_attempt
from tocsin.cli.connection import HERE, Connection
from tocsin.cli.endpoint_flags import EndpointFlags
from tocsin.cli.inputs import Usage, secret_argument
from tocsin.cli.lists import Document, items, one, part, text
from tocsin.cli.output import console, print_json, print_listing, print_table, visible
from tocsin.cli.reporting import Flag
from tocsin.cli.stats import RangeName
from tocsin.cli.stats import show as show_numbers

app = App(name="endpoints", help="Where events are delivered to.")
app.command(export)
_NO_FLAGS = EndpointFlags()


@app.command(name="list")
def list_(
    *,
    state: Literal["healthy", "failing", "paused", "disabled"] | None = None,
    format_: Annotated[str | None, Parameter(name="--format")] = None,
    search: str | None = None,
    limit: int = 50,
    connection: Connection = HERE,
) -> int:
    """List endpoints, newest first.

    :param state: Only those that are in this state.
    :param format_: Only those with this payload format.
    :param search: Only those with this text in their name or URL.
    :param limit: How many at most.
    """
    found = items(connection, "/v1/endpoints", {"state": state, "format": format_, "search": search}, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    rows = [
        (text(e, "id"), text(e, "name"), text(e, "state"), text(part(e, "format"), "kind"), _wants(e), text(e, "url"))
        for e in found
    ]
    print_table(
        ("ID", "NAME", "STATE", "FORMAT", "WANTS", "URL"),
        rows,
        empty="There are no endpoints. Add one: tocsin endpoints add NAME URL",
    )
    return 0


@app.command
def show(endpoint_id: str, /, *, connection: Connection = HERE) -> int:
    """Show an endpoint with all its settings."""
    return _show(connection, one(connection.request("GET", f"/v1/endpoints/{endpoint_id}")))


@app.command
def add(
    name: str,
    url: str,
    /,
    *,
    disabled: Flag = False,
    dry_run: Flag = False,
    flags: EndpointFlags = _NO_FLAGS,
    connection: Connection = HERE,
) -> int:
    """Add an endpoint. Without a filter it gets everything but operational events.

    `tocsin endpoints add crm https://crm.example.com/hooks --event-type 'record.*' --format tamr --basic crm:env:CRM_PASSWORD`

    :param name: A name for people.
    :param url: Where requests go.
    :param disabled: Add it without delivering to it yet.
    :param dry_run: Add nothing: show the request that it would send, and how many of the newest events it wants.
    """
    body = flags.document() | {"name": name, "url": url} | ({"enabled": False} if disabled else {})
    if dry_run:
        return _preview(connection, body)
    return _show(connection, one(connection.request("POST", "/v1/endpoints", body)))


@app.command
def update(
    endpoint_id: str,
    /,
    *,
    name: str | None = None,
    new_url: Annotated[str | None, Parameter(name="--to")] = None,
    flags: EndpointFlags = _NO_FLAGS,
    connection: Connection = HERE,
) -> int:
    """Change settings of an endpoint; what is not named stays. Filters, headers and the retry schedule are replaced.

    :param endpoint_id: The endpoint's id.
    :param name: Another name.
    :param new_url: Another URL.
    """
    body = flags.document()
    body |= {key: value for key, value in {"name": name, "url": new_url}.items() if value is not None}
    if not body:
        raise Usage("nothing to change: name at least one setting")
    answer = connection.request("PATCH", f"/v1/endpoints/{endpoint_id}", body, content_type=_MERGE_PATCH)
    return _show(connection, one(answer))


@app.command
def remove(endpoint_id: str, /, *, connection: Connection = HERE) -> int:
    """Remove an endpoint; its pending deliveries are cancelled."""
    connection.request("DELETE", f"/v1/endpoints/{endpoint_id}")
    if connection.is_json:
        print_json({"id": endpoint_id, "removed": True})
    else:
        console().print(f"{visible(endpoint_id)} is removed.")
    return 0


@app.command
def enable(endpoint_id: str, /, *, connection: Connection = HERE) -> int:
    """Deliver to an endpoint again, from now on."""
    return _show(connection, one(connection.request("POST", f"/v1/endpoints/{endpoint_id}/enable")))


@app.command
def disable(endpoint_id: str, /, *, connection: Connection = HERE) -> int:
    """Stop delivering to an endpoint; it gets no new deliveries and holds its pending ones."""
    return _show(connection, one(connection.request("POST", f"/v1/endpoints/{endpoint_id}/disable")))


@app.command
def resume(endpoint_id: str, /, *, connection: Connection = HERE) -> int:
    """Send to a paused endpoint again now, whatever it was paused for."""
    return _show(connection, one(connection.request("POST", f"/v1/endpoints/{endpoint_id}/resume")))


@app.command
def cancel_pending(
    endpoint_id: str,
    /,
    *,
    since: str | None = None,
    until: str | None = None,
    event_type: Annotated[list[str] | None, Parameter(negative=())] = None,
    connection: Connection = HERE,
) -> int:
    """Give up what is pending for an endpoint: everything, or what is named.

    :param endpoint_id: The endpoint's id.
    :param since: Only events accepted at this time (RFC 3339) or later.
    :param until: Only events accepted before this time.
    :param event_type: Only events of these types; globs.
    """
    named = {"since": since, "until": until, "event_types": event_type}
    body = {name: value for name, value in named.items() if value is not None}
    connection = replace(connection, timeout=max(connection.timeout, _LONG_SECONDS))
    cancelled, is_complete = 0, False
    while not is_complete:
        answer = one(connection.request("POST", f"/v1/endpoints/{endpoint_id}/cancel-pending", body))
        cancelled += int(text(answer, "cancelled"))
        is_complete = answer.get("complete") is True
    if connection.is_json:
        print_json({"id": endpoint_id, "cancelled": cancelled})
    else:
        console().print(f"Cancelled: {cancelled}.")
    return 0


@app.command(name="test")
def send_sample(
    endpoint_id: str,
    /,
    *,
    event_type: str | None = None,
    connection: Connection = HERE,
) -> int:
    """Send a sample event now and show what came back. Nothing is kept.

    :param endpoint_id: The endpoint's id.
    :param event_type: Which event to send a sample of.
    """
    body = {} if event_type is None else {"event_type": event_type}
    attempt = one(connection.request("POST", f"/v1/endpoints/{endpoint_id}/test", body))
    if connection.is_json:
        print_json(attempt)
    else:
        print_attempt(attempt)
    return 0 if attempt.get("outcome") == "delivered" else 1


@app.command
def rotate_secret(
    endpoint_id: str,
    /,
    *,
    overlap: float | None = None,
    secret: Annotated[str | None, Parameter(allow_leading_hyphen=True)] = None,
    connection: Connection = HERE,
) -> int:
    """Replace an endpoint's signing secret and show the new one this once. The old one signs as well for a while.

    :param endpoint_id: The endpoint's id.
    :param overlap: For how many seconds; a day, when neither this nor the endpoint says otherwise. 0 ends the old secret now.
    :param secret: The new secret, also as @file, env:NAME or - (asked for); made, when not given.
    """
    body: dict[str, object] = {} if overlap is None else {"overlap_seconds": overlap}
    if secret is not None:
        body["secret"] = secret_argument(secret, "--secret")
    answer = one(connection.request("POST", f"/v1/endpoints/{endpoint_id}/rotate-secret", body))
    if connection.is_json:
        print_json(answer)
        return 0
    print_listing(answer.items())
    until = answer.get("old_valid_until")
    end = "The old one signs no longer." if until is None else f"The old one signs as well until {visible(str(until))}."
    console().print(f"\n{_SHOWN_ONCE} {end}", style="bold yellow")
    return 0


@app.command
def stats(
    endpoint_id: str,
    /,
    *,
    range_: Annotated[RangeName | None, Parameter(name="--range")] = None,
    since: str | None = None,
    until: str | None = None,
    connection: Connection = HERE,
) -> int:
    """Show what is pending and dead of an endpoint, how attempts ended in a range, and how fast.

    :param endpoint_id: The endpoint's id.
    :param range_: Until now; an hour, when nothing else is said.
    :param since: Or from this time (RFC 3339) on.
    :param until: Or before this time.
    """
    return show_numbers(connection, f"/v1/endpoints/{endpoint_id}/stats", range_, since, until)


def _preview(connection: Connection, settings: Document) -> int:
    body = {"endpoint": settings, "count": _COUNTED}
    preview = one(connection.request("POST", "/v1/endpoints/preview", body))
    if connection.is_json:
        print_json(preview)
        return 0
    counted, request = part(preview, "counted"), part(preview, "request")
    out = console()
    out.print(f"Matched {text(counted, 'matching')} of the last {text(counted, 'looked_at')} events.")
    if preview.get("why_not") is not None:
        out.print(f"{visible(text(part(preview, 'event'), 'type'))} is not sent: {visible(text(preview, 'why_not'))}.")
    if request:
        out.print(f"\nPOST {visible(text(request, 'url'))}")
        print_listing(part(request, "headers").items())
        out.print(f"\n{visible(text(request, 'body'))}")
    return 0


_COUNTED = 1000
_LONG_SECONDS = 120.0
_SHOWN_ONCE = "The signing secret is shown this once. Give it to the receiver now."
_MERGE_PATCH = "application/merge-patch+json"


def _show(connection: Connection, endpoint: Document) -> int:
    if connection.is_json:
        print_json(endpoint)
        return 0
    secret = part(endpoint, "signing").get("secret")
    print_listing(
        (name, value if isinstance(value, (str, bool)) else _compact(value)) for name, value in endpoint.items()
    )
    if isinstance(secret, str):
        console().print(f"\n{_SHOWN_ONCE}", style="bold yellow")
    return 0


def _compact(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _wants(endpoint: Document) -> str:
    """Its filters in few words."""
    filters = endpoint.get("filters")
    if not isinstance(filters, list) or not filters:
        return "everything"
    return " or ".join(_condition(condition) for condition in filters if isinstance(condition, dict))


def _condition(condition: Document) -> str:
    words = []
    for name, value in condition.items():
        if name == "event_types" and isinstance(value, list):
            words.append(",".join(map(str, value)))
        elif value is not None:
            shown = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            words.append(f"{name.removesuffix('s')}={shown}")
    return " ".join(words) or "everything"
