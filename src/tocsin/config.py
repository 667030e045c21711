"""Settings: a TOML file, below environment variables `TOCSIN_*` (and `*_FILE` for secrets), below flags. Read once."""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

from tocsin.errors import Misconfigured
from tocsin.model.database import SharedDatabase, database_of
from tocsin.model.intake_servers import IntakeServers, intake_urls, readable_file, replicas, stream_name
from tocsin.model.noun import Noun
from tocsin.model.secret import Secret
from tocsin.model.server_setting import INTAKE_SETTINGS, Setting, Value

T = TypeVar("T")
_PUBLIC_URL: Final = re.compile(
    r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[1-9][0-9]{0,4})?(?:/[A-Za-z0-9/._~%-]*)?", re.ASCII
)

SETTINGS: Final = (
    Setting(
        name="database",
        default="sqlite:///tocsin.db",
        meaning="Where everything is kept: `sqlite:///relative.db`, `sqlite:////absolute.db` or "
        "`postgresql://user:password@host/database`.",
        is_secret=True,
        is_url=True,
    ),
    Setting(
        name="listen",
        default="127.0.0.1:8080",
        meaning="Address and port of the API; port 0 takes a free one.",
    ),
    Setting(
        name="master_key",
        default="",
        meaning="The master key of all secrets: base64 of 32 bytes (`tocsin master-key new`). Of several, with white space or "
        "commas between them, the first one is the new one and the others still open. Without it, a key file (mode 0600) beside "
        "the database.",
        is_secret=True,
    ),
    Setting(
        name="allow_networks",
        default="",
        meaning="Networks (CIDR, comma separated) that may be reached beside the public internet.",
    ),
    Setting(name="allow_http", default="false", meaning="Whether endpoints may have http URLs."),
    Setting(
        name="proxy",
        default="",
        meaning="Forward proxy for all outgoing requests: `http://[user:password@]host:port` or `socks5://...`.",
        is_secret=True,
    ),
    Setting(
        name="smtp",
        default="",
        meaning="Mail server for endpoints that are mailboxes: `smtp://user:password@host:587` (STARTTLS; not for this machine itself, "
        "nor with `?tls=off`) or `smtps://...`.",
        is_secret=True,
    ),
    Setting(
        name="mail_from",
        default="",
        meaning="Whom that mail comes from: `tocsin@example.com` or `Tocsin <tocsin@example.com>`. Needed with a mail server.",
    ),
    Setting(
        name="bootstrap_key",
        default="",
        meaning="Operator key to create at a start without a valid one (visible ASCII, 16 characters or more); else one is made and printed.",
        is_secret=True,
    ),
    Setting(
        name="public_url",
        default="",
        meaning="Where this API is reached from outside, like https://hooks.example.com. Its host is the name under which "
        "receivers are asked for consent (else the machine's), and there they may give it later.",
    ),
    Setting(
        name="job_overdue_after",
        default="",
        meaning="Seconds after which a running job is overdue, by job type: `load_source=3600, *=86400`. A report's own limit goes first.",
    ),
    Setting(
        name="job_lost_after",
        default="",
        meaning="Seconds without a report after which an unfinished job is lost, by job type, as above.",
    ),
    Setting(
        name="longest_pause",
        default="86400",
        meaning="Seconds for which a receiver can pause its endpoint by `Retry-After`, at most.",
    ),
    Setting(
        name="keep_bodies",
        default="7d",
        meaning="How long the bodies of requests and responses are kept after a delivery ended, by event type: "
        "`record.*=1d, *=7d`; the first that matches counts. `never` (or 0) to remove nothing.",
    ),
    Setting(
        name="keep_attempts", default="30d", meaning="How long attempts are kept after their delivery ended, as above."
    ),
    Setting(
        name="keep_rows",
        default="90d",
        meaning="How long events are kept with their deliveries, as above.",
    ),
    Setting(
        name="keep_audit",
        default="400d",
        meaning="How long the audit log is kept.",
    ),
    Setting(
        name="keep_dedupe",
        default="90d",
        meaning="How long a CloudEvent is recognised by its source and id, at least: as long as its event is kept it "
        "always is.",
    ),
    Setting(
        name="keep_pending",
        default="never",
        meaning="How old a delivery may get that is pending; an older one is dead with the reason `expired`.",
    ),
    Setting(
        name="disk_reserve",
        default="64MiB",
        meaning="When less than this is free on the disk, accept answers 507; settling and retention go on.",
    ),
    *INTAKE_SETTINGS,
    Setting(
        name="lease_seconds",
        default="10",
        meaning="On PostgreSQL: how long a process that is not heard of keeps what it holds. Alike for all of them.",
    ),
    Setting(name="log_level", default="info", meaning="`debug`, `info`, `warning` or `error`."),
)


class Settings(Noun, frozen=True, kw_only=True):
    """Checked settings. `database` is a file path, or what tells PostgreSQL; `values` are the texts they were made of, by setting name."""

    database: Path | SharedDatabase
    host: str
    port: int
    master_key: Secret | None
    allow_networks: str
    allow_http: bool
    proxy: Secret | None
    smtp: Secret | None
    mail_from: str
    bootstrap_key: Secret | None
    public_url: str | None
    job_overdue_after: str
    job_lost_after: str
    longest_pause_ms: int
    keep_bodies: str
    keep_attempts: str
    keep_rows: str
    keep_audit: str
    keep_dedupe: str
    keep_pending: str
    disk_reserve: str
    intake: IntakeServers | None
    lease_ms: int
    log_level: str
    values: dict[str, Value]


def load_settings(
    flags: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
    file: Path | None = None,
) -> Settings:
    """Read and check everything. The file is `file`, else `TOCSIN_CONFIG`, else `tocsin.toml` here if there is one.
    Raises Misconfigured, which names the setting and where its value came from."""
    environment = os.environ if environment is None else environment
    from_file = _file_values(file, environment)
    values = {s.name: _value(s, flags or {}, environment, from_file) for s in SETTINGS}
    host, port = _checked(values, "listen", _listen)
    database = _checked(values, "database", database_of)
    return Settings(
        database=database,
        host=host,
        port=port,
        master_key=Secret(values["master_key"].text) if values["master_key"].text else None,
        allow_networks=values["allow_networks"].text,
        allow_http=_checked(values, "allow_http", _boolean),
        proxy=Secret(values["proxy"].text) if values["proxy"].text else None,
        smtp=Secret(values["smtp"].text) if values["smtp"].text else None,
        mail_from=values["mail_from"].text,
        bootstrap_key=_checked(values, "bootstrap_key", _bootstrap_key),
        public_url=_checked(values, "public_url", _public_url),
        job_overdue_after=values["job_overdue_after"].text,
        job_lost_after=values["job_lost_after"].text,
        longest_pause_ms=_checked(values, "longest_pause", _pause_ms),
        keep_bodies=values["keep_bodies"].text,
        keep_attempts=values["keep_attempts"].text,
        keep_rows=values["keep_rows"].text,
        keep_audit=values["keep_audit"].text,
        keep_dedupe=values["keep_dedupe"].text,
        keep_pending=values["keep_pending"].text,
        disk_reserve=values["disk_reserve"].text,
        intake=_intake(values, database),
        lease_ms=_checked(values, "lease_seconds", _lease_ms),
        log_level=_checked(values, "log_level", _log_level),
        values=values,
    )


def _intake(values: Mapping[str, Value], database: Path | SharedDatabase) -> IntakeServers | None:
    urls = _checked(values, "nats", intake_urls)
    if not urls:
        return None
    if not isinstance(database, SharedDatabase):
        origin = values["nats"].origin
        raise Misconfigured(f"TOCSIN_NATS (from {origin}) needs PostgreSQL: set TOCSIN_DATABASE to postgresql://...")
    return IntakeServers(
        urls=Secret(urls),
        credentials=_checked(values, "nats_credentials", readable_file),
        ca=_checked(values, "nats_ca", readable_file),
        stream=_checked(values, "nats_stream", stream_name),
        replicas=_checked(values, "nats_replicas", replicas),
        max_bytes=values["nats_max_bytes"].text,
    )


def origin_of(settings: Settings) -> str:
    """The name under which receivers know this system: its public host, else that of the machine."""
    public = urlsplit(settings.public_url or "").hostname
    return public or re.sub("[^a-z0-9.-]", "-", socket.gethostname().lower()) or "localhost"


def _value(
    setting: Setting, flags: Mapping[str, str | None], environment: Mapping[str, str], from_file: Mapping[str, str]
) -> Value:
    flag = flags.get(setting.name)
    if flag is not None:
        return Value(text=flag, origin="flag")
    if setting.variable in environment:
        return Value(text=environment[setting.variable], origin="environment")
    if setting.is_secret and (path := environment.get(f"{setting.variable}_FILE")):
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except UnicodeDecodeError:
            raise Misconfigured(f"{setting.variable}_FILE is not text.") from None
        except OSError as error:
            raise Misconfigured(f"{setting.variable}_FILE cannot be read: {error.strerror}.") from error
        if not text:
            raise Misconfigured(f"{setting.variable}_FILE is empty.")
        return Value(text=text, origin="environment", file=Path(path))
    if setting.name in from_file:
        return Value(text=from_file[setting.name], origin="file")
    return Value(text=setting.default, origin="default")


def _file_values(file: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    named = file or (Path(environment["TOCSIN_CONFIG"]) if environment.get("TOCSIN_CONFIG") else None)
    path = named or Path("tocsin.toml")
    if named is None and not path.exists():
        return {}
    try:
        document: dict[str, object] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Misconfigured(f"{path} cannot be read: {error}.") from error
    known = {s.name for s in SETTINGS}
    if unknown := sorted(set(document) - known):
        raise Misconfigured(f"{path} has an unknown setting: {unknown[0]}.")
    return {name: _toml_text(value) for name, value in document.items()}


def _toml_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return str(value)


def _checked(values: Mapping[str, Value], name: str, check: Callable[[str], T]) -> T:
    value = values[name]
    try:
        return check(value.text)
    except ValueError as error:
        raise Misconfigured(f"TOCSIN_{name.upper()} (from {value.origin}): {error}.") from error


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ValueError("must be host:port, like 127.0.0.1:8080")
    return host.strip("[]"), int(port)


def _boolean(text: str) -> bool:
    match text.strip().lower():
        case "true" | "1" | "yes" | "on":
            return True
        case "false" | "0" | "no" | "off" | "":
            return False
        case _:
            raise ValueError("must be true or false")


def _bootstrap_key(text: str) -> Secret | None:
    if not text:
        return None
    if len(text) < 16 or not all("!" <= c <= "~" for c in text):
        raise ValueError("must be 16 or more visible ASCII characters")
    return Secret(text)


def _public_url(text: str) -> str | None:
    if text and not _PUBLIC_URL.fullmatch(text):
        raise ValueError("must be like https://hooks.example.com, without user, query and fragment")
    return text.rstrip("/") or None


def _pause_ms(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 31_536_000:
        raise ValueError("must be whole seconds, from 1 to a year (31536000)")
    return int(text) * 1000


def _lease_ms(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 300:
        raise ValueError("must be whole seconds, from 1 to 300")
    return int(text) * 1000


def _log_level(text: str) -> str:
    if text not in {"debug", "info", "warning", "error"}:
        raise ValueError("must be debug, info, warning or error")
    return text
