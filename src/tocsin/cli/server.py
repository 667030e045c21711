"""`serve`, `migrate`, `config`: the server itself; these do not talk to a running one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from tocsin.cli import transfers
from tocsin.cli.output import Mode, console, print_json, print_table, visible
from tocsin.config import SETTINGS, Settings, load_settings
from tocsin.model.database import without_password
from tocsin.model.server_setting import Setting

_SETTINGS = Group("Settings", sort_key=1)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SettingFlags:
    """The settings as options: they win over the environment, and that over the file."""

    config: Annotated[Path | None, Parameter(group=_SETTINGS)] = None
    """TOML file with settings; `tocsin.toml` here, when there is one."""
    database: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Where everything is kept: `sqlite:///relative.db`, `sqlite:////absolute.db` or `postgresql://user@host/database`; with a
    password better given in the environment."""
    listen: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Address and port of the API; port 0 takes a free one."""
    master_key: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Base64 of 32 bytes that seal all secrets; better given in the environment."""
    allow_networks: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Networks (CIDR, comma separated) that may be reached beside the public internet."""
    allow_http: Annotated[bool | None, Parameter(group=_SETTINGS)] = None
    """Whether endpoints may have http URLs."""
    proxy: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Forward proxy for all outgoing requests; with a password better given in the environment."""
    smtp: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Mail server for endpoints that are mailboxes, like smtp://host:587; with a password better given in the environment."""
    mail_from: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Whom that mail comes from: `tocsin@example.com`."""
    bootstrap_key: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Operator key to create at first start; better given in the environment."""
    public_url: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Where this API is reached from outside; its host is the name under which receivers are asked for consent."""
    job_overdue_after: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Seconds after which a running job is overdue, by job type: `load_source=3600, *=86400`."""
    job_lost_after: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Seconds without a report after which an unfinished job is lost, by job type."""
    longest_pause: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Seconds for which a receiver can pause its endpoint by `Retry-After`, at most."""
    keep_bodies: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """How long bodies are kept after a delivery ended, by event type: `record.*=1d, *=7d`; `never` to keep them."""
    keep_attempts: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """How long attempts are kept after their delivery ended, by event type."""
    keep_rows: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """How long events are kept with their deliveries, by event type."""
    keep_audit: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """How long the audit log is kept."""
    keep_dedupe: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """How long a CloudEvent is recognised by its source and id, at least."""
    keep_pending: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """How old a pending delivery may get before it expires."""
    disk_reserve: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """When less than this is free on the disk, accept answers 507."""
    nats: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """NATS servers that keep what is submitted until PostgreSQL has it; with passwords better given in the environment."""
    nats_credentials: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """File with the credentials for these servers."""
    nats_ca: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """File with the certificate authorities that these servers are judged by."""
    nats_stream: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Name of the stream there."""
    nats_replicas: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """Copies of the stream when it is made: 1, 3 or 5."""
    nats_max_bytes: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """What the stream takes at most, when it is made."""
    lease_seconds: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """On PostgreSQL: how long a process that is not heard of keeps what it holds. Alike for all of them."""
    log_level: Annotated[str | None, Parameter(group=_SETTINGS)] = None
    """`debug`, `info`, `warning` or `error`."""

    def settings(self) -> Settings:
        """All settings, read and checked. Raises Misconfigured."""
        allow_http = None if self.allow_http is None else str(self.allow_http).lower()
        flags: Mapping[str, str | None] = {
            "database": self.database,
            "listen": self.listen,
            "master_key": self.master_key,
            "allow_networks": self.allow_networks,
            "allow_http": allow_http,
            "proxy": self.proxy,
            "smtp": self.smtp,
            "mail_from": self.mail_from,
            "bootstrap_key": self.bootstrap_key,
            "public_url": self.public_url,
            "job_overdue_after": self.job_overdue_after,
            "job_lost_after": self.job_lost_after,
            "longest_pause": self.longest_pause,
            "keep_bodies": self.keep_bodies,
            "keep_attempts": self.keep_attempts,
            "keep_rows": self.keep_rows,
            "keep_audit": self.keep_audit,
            "keep_dedupe": self.keep_dedupe,
            "keep_pending": self.keep_pending,
            "disk_reserve": self.disk_reserve,
            "nats": self.nats,
            "nats_credentials": self.nats_credentials,
            "nats_ca": self.nats_ca,
            "nats_stream": self.nats_stream,
            "nats_replicas": self.nats_replicas,
            "nats_max_bytes": self.nats_max_bytes,
            "lease_seconds": self.lease_seconds,
            "log_level": self.log_level,
        }
        return load_settings(flags, file=self.config)


NO_FLAGS = SettingFlags()
_Output = Annotated[Mode, Parameter(name=["--output", "-o"])]


def serve(*, processes: int = 1, flags: SettingFlags = NO_FLAGS, output: _Output = "text") -> int:
    """Run the server, until SIGTERM or Ctrl-C.

    On a terminal it prints a link that signs in to the web interface as operator, once, within 15 minutes.

    :param processes: So many of them on one address, all alike; with PostgreSQL only. When one ends, all do.
    :param output: `json`: say where it listens as one JSON line, with that link.
    """
    from tocsin import wiring  # noqa: PLC0415 (a server is heavy; other commands of this file need none)

    def ready(running: wiring.Running) -> None:
        if output == "json":
            shown = {"url": running.url, "generated_key": running.generated_key, "sign_in_link": running.sign_in_link}
            print_json(shown, line=True)
            return
        screen = console()
        screen.print(f"Tocsin listens at {running.url}", style="bold", soft_wrap=True)
        if screen.is_terminal:
            screen.print(f"Web interface, for 15 minutes and once: {running.sign_in_link}", soft_wrap=True)
        else:
            screen.print(f"Web interface: {running.url}/ui/", soft_wrap=True)
        if running.generated_key is not None:
            screen.print("\nThis is the first start. The operator key is shown this once, keep it:", soft_wrap=True)
            screen.print(f"\n  export TOCSIN_API_KEY={running.generated_key}\n", style="bold yellow", soft_wrap=True)
        screen.file.flush()

    settings = flags.settings()
    if processes == 1:
        wiring.run(settings, ready)
        return 0
    from tocsin.wiring.several import begin_several  # noqa: PLC0415 (as above)

    alike = begin_several(settings, processes)
    if isinstance(alike, int):
        return alike
    wiring.run(settings, ready if alike.told is not None else lambda _: None, alike=alike)
    return 0


def work(*, flags: SettingFlags = NO_FLAGS, output: _Output = "text") -> int:
    """Deliver like a server, without the API and the web interface, until SIGTERM or Ctrl-C; with PostgreSQL only.

    At its address it answers `/livez`, `/readyz`, `/metrics` and `/version`.

    :param output: `json`: say where it listens as one JSON line.
    """
    from tocsin import wiring  # noqa: PLC0415 (as above)

    def ready(running: wiring.Running) -> None:
        if output == "json":
            print_json({"url": running.url}, line=True)
        else:
            console().print(f"Tocsin works, and tells how at {running.url}/readyz", style="bold", soft_wrap=True)

    wiring.run(flags.settings(), ready, has_api=False)
    return 0


def migrate(
    *,
    from_: Annotated[str | None, Parameter(name="--from")] = None,
    to: str | None = None,
    take_back: Annotated[bool, Parameter(negative="")] = False,
    flags: SettingFlags = NO_FLAGS,
    output: _Output = "text",
) -> int:
    """Bring the database up to date while the server is down; `serve` does the same when it starts.

    With `--from` and `--to`: copy everything from one database to another, which is empty, and check it there. Both servers
    are down meanwhile. When it is cut short, run it again: it goes on. The source is not served afterwards.

    :param from_: The database to copy, as in `--database`; `@file`, `env:NAME` or `-` keep a password off the command line.
    :param to: Where to copy it, likewise.
    :param take_back: Have the database of `--from` served again, as if nothing had been copied.
    :param output: `json` for programs; a line for each table, and one in the end.
    """
    if take_back:
        return transfers.take_back(from_, to, output)
    if from_ is not None or to is not None:
        return transfers.transfer(from_, to, output)
    from tocsin import wiring  # noqa: PLC0415 (as above)

    settings = flags.settings()
    wiring.migrate(settings)
    if output == "json":
        print_json({"database": str(settings.database), "migrated": True})
    else:
        console().print(f"{visible(str(settings.database))} is up to date.", soft_wrap=True)
    return 0


def config(*, flags: SettingFlags = NO_FLAGS, output: _Output = "text") -> int:
    """Show each setting, its value and where that comes from; secrets are masked.

    :param output: `json` for programs.
    """
    values = flags.settings().values
    rows = [
        {
            "name": setting.name,
            "variable": setting.variable,
            "value": _shown(setting, values[setting.name].text),
            "origin": values[setting.name].origin,
            "meaning": setting.meaning,
        }
        for setting in SETTINGS
    ]
    if output == "json":
        print_json({"settings": rows})
    else:
        columns = ("variable", "value", "origin")
        print_table(("SETTING", "VALUE", "ORIGIN"), [[row[name] for name in columns] for row in rows])
    return 0


def _shown(setting: Setting, text: str) -> str:
    if setting.is_url:
        return ",".join(map(without_password, text.split(","))) if text else text
    return "********" if setting.is_secret and text else text
