"""`keys ...`: list, add, revoke."""

from __future__ import annotations

from typing import Literal

from cyclopts import App

from tocsin.cli.connection import HERE, Connection
from tocsin.cli.lists import items, one, text
from tocsin.cli.output import console, print_json, print_listing, print_table, visible

app = App(name="keys", help="API keys: who may do what.")


@app.command(name="list")
def list_(*, limit: int = 50, connection: Connection = HERE) -> int:
    """List API keys; their values are never shown again.

    :param limit: How many at most.
    """
    found = items(connection, "/v1/api-keys", {}, limit)
    if connection.is_json:
        print_json({"items": found})
        return 0
    names = ("id", "name", "role", "tenant", "created_at", "last_used_at", "expires_at")
    columns = [name.removesuffix("_at").replace("_", " ").upper() for name in names]
    print_table(columns, [[text(key, name) for name in names] for key in found], empty="There are no keys.")
    return 0


@app.command
def add(
    name: str,
    /,
    *,
    role: Literal["operator", "admin", "producer", "viewer"] = "producer",
    expires_at: str | None = None,
    connection: Connection = HERE,
) -> int:
    """Make an API key. Its value is shown this once.

    :param name: What it is for.
    :param role: `producer` reports, `viewer` reads, `admin` also keeps the endpoints of its tenant; `operator` does all for all tenants.
    :param expires_at: When it ends (RFC 3339).
    """
    body: dict[str, object] = {"name": name, "role": role}
    if expires_at is not None:
        body["expires_at"] = expires_at
    if connection.tenant is not None:
        body["tenant"] = connection.tenant
    key = one(connection.request("POST", "/v1/api-keys", body))
    if connection.is_json:
        print_json(key)
        return 0
    print_listing(key.items())
    console().print("\nThe value is shown this once. Keep it now.", style="bold yellow")
    return 0


@app.command
def revoke(key_id: str, /, *, connection: Connection = HERE) -> int:
    """End an API key, at once."""
    connection.request("DELETE", f"/v1/api-keys/{key_id}")
    if connection.is_json:
        print_json({"id": key_id, "revoked": True})
    else:
        console().print(f"{visible(key_id)} is revoked.")
    return 0
