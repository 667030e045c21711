"""The reference page of the formats, made from their tables and from the sample events."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from tocsin.formats import EXPRESSIONS
from tocsin.formats.reference_examples import binary_example, example
from tocsin.formats.reference_people import people_part
from tocsin.formats.rendering import Expression
from tocsin.formats.tamr_identifiers import IDENTIFIERS, KINDS
from tocsin.formats.telmai import DETAILS_OF, STATUS_OF
from tocsin.model.endpoint import (
    CloudEventsFormat,
    LyticsFormat,
    StandardWebhooksFormat,
    TamrFormat,
    TelmaiFormat,
    VisierFormat,
)

PLAIN_JSON: Final = "application/json"


def formats_page() -> str:
    """The text of docs/reference/formats.md."""
    return "\n".join(
        (
            _INTRODUCTION,
            _words_table(),
            _AFTER_WORDS,
            _CLOUDEVENTS,
            example(CloudEventsFormat(), "job.failed"),
            "The same in binary mode; the body is the `data` above:\n",
            binary_example("job.failed"),
            _STANDARD_WEBHOOKS,
            example(StandardWebhooksFormat(), "record.updated"),
            _TAMR_JOBS,
            example(TamrFormat(), "job.failed"),
            _identifiers_table(),
            _TAMR_RECORDS,
            example(TamrFormat(), "record.updated"),
            _LYTICS,
            example(LyticsFormat(account_id="1234abcd"), "job.running"),
            _TELMAI,
            example(TelmaiFormat(), "job.succeeded"),
            _details_table(),
            _VISIER,
            example(VisierFormat(tenant_code="WFF_j1r"), "job.failed"),
            example(VisierFormat(tenant_code="WFF_j1r"), "data_version.published"),
            _TEMPLATE,
            people_part(),
        )
    )


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = tuple(header)
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines).replace("|  |", "| |").replace("|  |", "| |")


def _words_table() -> str:
    types = dict.fromkeys(event_type for words in EXPRESSIONS.values() for event_type in words)
    rows = ((f"`{kind}`", *(_cell(words, kind) for words in EXPRESSIONS.values())) for kind in sorted(types, key=_rank))
    return _table(("event type", *(f"`{kind}`" for kind in EXPRESSIONS)), rows)


_ORDER: Final = (
    *("created", "updated", "deleted", "pending", "preparing", "running", "waiting", "progressed", "stopping"),
    *("rescheduled", "succeeded", "failed", "stopped", "syncing", "synced", "sync_completed", "published"),
)


def _rank(event_type: str) -> tuple[int, int]:
    subject_type, _, verb = event_type.rpartition(".")
    return (("job", "record", "data_version").index(subject_type), _ORDER.index(verb))


def _cell(words: Mapping[str, Expression], event_type: str) -> str:
    expression = words.get(event_type)
    if expression is None:
        return ""
    word = expression.word if " " in expression.word else f"`{expression.word}`"
    return f"{word}, {expression.only}" if expression.only else word


def _identifiers_table() -> str:
    known = _table(
        ("job type", "key in `configuration`", "with values", "always empty", "of a legacy data product"),
        (
            (f"`{job_type}`", f"`{row.arm}`", _codes(row.returned), _codes(row.empty), _codes(row.legacy or ()))
            for job_type, row in IDENTIFIERS.items()
        ),
    )
    others = _table(
        ("resource kind", "key in `configuration`", "identifiers"),
        ((f"`{name}`", f"`{kind.arm}`", _codes((kind.id_key, kind.name_key))) for name, kind in KINDS.items()),
    )
    return f"{known}\nAny other job type shows the resources it has, the first of each kind:\n\n{others}"


def _details_table() -> str:
    return _table(
        ("job state", "status", "`details` when nothing else is known"),
        ((f"`{state}`", f"`{STATUS_OF[state]}`", said) for state, said in DETAILS_OF.items()),
    )


def _codes(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


_INTRODUCTION: Final = """# Formats

Made from `src/tocsin/formats/` by `python3 dev.py docs`; a test keeps the two equal.

The format of an endpoint says how an event becomes a body and a content type: `"format": {"kind": "tamr"}` and the
settings below. Four of the ten belong to systems whose receivers should work behind Tocsin unchanged, three are for people. What their pages
leave open, Tocsin decides; each such decision is named here as **our choice**, so that nobody takes it for the vendor's.

`tamr`, `lytics` and `visier` carry the event's id as a plain UUID: `evt_019a...` without the prefix. Every request has
the same `webhook-id` header (the event's id with its prefix) in every format.

## What each format has words for

`cloudevents` and `standard_webhooks` carry every event, `template` what its program makes of it; `slack`, `teams` and `email` tell
people of every event. The others say:
"""

_AFTER_WORDS: Final = """An empty cell: the format cannot express it, and nothing is sent. This is decided when the event is fanned out, so there
is no delivery to look for either. Operational events (`endpoint.*`, `delivery.*`) and producers' CloudEvents go out in
`cloudevents`, `standard_webhooks`, `template` and those for people, and in `lytics` as described there.
"""

_CLOUDEVENTS: Final = """## cloudevents

[CloudEvents](https://github.com/cloudevents/spec/tree/v1.0.2) 1.0 over HTTP.

| setting | default | |
|---|---|---|
| `mode` | `structured` | or `binary` |
| `type` | the event type | for Tocsin's own events |
| `source` | `/tocsin/<tenant>` | for Tocsin's own events |

- Tocsin's own events carry the extensions `tenant`, `partitionkey` (the subject), `recordedtime` (when Tocsin took the
  event) and `sequence` (the position in the event log, 20 digits, so that sequences sort as text).
- A producer's CloudEvent leaves with its own `id`, `source`, `type`, `subject`, `time`, `datacontenttype`, `dataschema`,
  extensions and data, as they came. Only `tenant` is set by Tocsin, whatever the producer wrote there.
- JSON data are spliced in byte for byte. Data of another content type become a string when they are UTF-8, else
  `data_base64`; what came as `data_base64` leaves as `data_base64`.
- Binary mode cannot carry everything. An event without data, bytes without a content type, and a content type that a
  receiver would mistake for structured mode are sent in structured mode.
- In binary mode the attributes are headers, and a signature covers only id, timestamp and body. Prefer structured mode.
- **Our choice:** `type` is the event type as it is, without a reversed domain name in front.
"""

_STANDARD_WEBHOOKS: Final = """## standard_webhooks

The payload that [Standard Webhooks](https://www.standardwebhooks.com/) 1.0.0 recommends, minified. No settings.
`timestamp` is when the event happened. Data that are not JSON are a string, or base64 when they are no text; an event
without data has `null`.
"""

_TAMR_JOBS: Final = """## tamr

A CloudEvent in structured mode with the attributes that Tamr lists, no others.

| setting | default | |
|---|---|---|
| `type` | the event type | **our choice:** Tamr prints no value |
| `source` | `/tocsin/<tenant>` | **our choice:** Tamr's is the address of its webhook |

### Job events

Sent only when the state that Tamr's receivers can see changes: from `preparing` to `running`, but not from `pending` to
`preparing`. `statusHistory` holds the visible states before the current one, oldest first. Equal neighbours are one
entry with the first start. A job that failed or was stopped is `DONE` with `error`; one that succeeded has none.
**Our choice:** the nesting below `configuration`, and the name `statusHistory`, follow Tamr's public API definition,
because the page about webhooks prints no whole event.
"""

_TAMR_RECORDS: Final = """A publish configuration stands in for a destination that was not given (**our choice**). An identifier whose resource is
not known is an empty string.

### Record events

One request for each record event. The parts of one merge or unmerge share `versionId` and are told apart by
`recordNumber`. `newData` is the record as it was reported, and `{}` for a deleted one. **Our choice:** the spelling
`tableId`, `recordId` (an older page has `tableID`, `recordID`).
"""

_LYTICS: Final = """## lytics

Lytics' system event. **Our choice:** the shape is that of its event API, since no example of a job-status POST is
published.

| setting | default | |
|---|---|---|
| `account_id` | the tenant | |
| `priority` | 2 | 0 to 6 |
| `variant` | `v1` | `v1`: `ts` is milliseconds since the epoch, as a string. `v2`: `timestamp` is RFC 3339 instead, and there is no `priority` |

- A job is subject type `work`. Filters still say `job`.
- `started` is sent the first time a job runs, not after a restart. `completed` is for jobs in batch mode; `syncing`,
  `synced` and `synccomplete` for jobs in realtime mode, as in the column "Frequency" of Lytics' page.
- Other subject types pass through with their own subject type, subject and verb, only that `updated` is said as
  `update`. `data_version.published` is not sent: Lytics has no such verb.
- **Our choice:** `related` holds the job's resources and its parent (as `work`). `context` holds what else is known of
  the job, and for other subjects the event's data; data that are no object are wrapped as `{"data": ...}`.
"""

_TELMAI: Final = """## telmai

Exactly five keys.

| setting | default | |
|---|---|---|
| `tenant` | the tenant | |

- `source` is a resource of kind `source` of the job: the one that the endpoint's filters name first (in `sources`, or
  in `resources` with kind `source`), else the job's first. A job without a source is not sent.
- `details` are those of the job, else the message of its error, else the sentence below (**our choice**).
- Every change of state is sent, also when it is the same word again.
- Telmai signs nothing. The signature header is an extra of Tocsin's; `"signing": {"kind": "none"}` leaves it out.
"""

_VISIER: Final = """## visier

Documented keys in documented order.

| setting | default | |
|---|---|---|
| `tenant_code` | the tenant | |

- `jobid` is spelled as in Visier's samples, not as in its prose.
- `timestamp` is milliseconds since the epoch, as a string.
- `dataCategoryId` and `dataVersion` come from the job's attributes `data_category_id` and `data_version`.
  A missing parent or attribute is `""`; an attribute that is no text is written as JSON.
- `message` is that of the error, else the details.
- **Our choice:** `x-visier-signature` is HMAC-SHA256 of the raw body in lower-case hexadecimal, without prefix, keyed
  with the key as UTF-8. Visier documents the header and HMAC-SHA256, not the encoding; see [signing](signing.md).
"""

_TEMPLATE: Final = """## template

A body of one's own, by a [jq](https://jqlang.org/manual/) 1.8 program: [how to write one](../how-to/shape-the-body-with-jq.md).

| setting | default | |
|---|---|---|
| `program` | required | gives the body, at most 8192 characters |
| `content_type` | `application/json` | |
| `headers` | none | at most 20 names, each with a program that gives its value |

- The programs see the event as `cloudevents` sends it in structured mode. Numbers keep their digits, keys their order.
- A program gives one JSON value, at most 1 MiB for all of them together. Nothing (`empty`) as the body: nothing is sent, and the delivery
  is `cancelled`. More than one value, an error, a header that is no text or cannot be sent: the delivery is `dead`, and
  its reason says why. A template that was mended is evaluated again when such a delivery is resent.
- An event has a second of processor time and 512 MiB of memory. What goes beyond is stopped.
- There are no files, no environment and no further input: `import`, `include`, `input`, `inputs`, `halt`, `halt_error` and
  `modulemeta` are not there, `env` and `$ENV` are empty.
- A template is evaluated on each attempt: one that asks for the time (`now`) gives another body each time.
- The program is tried when it is configured, on the samples of Tocsin's own event types that the endpoint's filters match. It is
  refused when it does not compile, has to be stopped, or fails for all of them.

`{text: "\\(.data.name): \\(.data.error.reason)", id, labels: .data.labels}` makes of `job.failed`:

```json
{
  "text": "Nightly load: LOAD_FAILED",
  "id": "evt_019aab6e-4e80-7000-8000-000000000009",
  "labels": {
    "team": "mdm"
  }
}
```
"""
