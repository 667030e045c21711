"""The part of the reference page that is about formats for people."""

from __future__ import annotations

from typing import Final

from tocsin.formats import Teller, renderer_of
from tocsin.formats.reference_examples import config, example, rendered, view
from tocsin.model.endpoint import EmailFormat, SlackFormat, TeamsFormat


def people_part() -> str:
    """Its text, with examples."""
    return "\n".join(
        (
            _PEOPLE,
            _SLACK,
            example(SlackFormat(link="https://ops.example/jobs/{subject_id}"), "job.failed"),
            _TEAMS,
            example(TeamsFormat(), "record.updated"),
            _EMAIL,
            _mail_example("job.failed"),
            _DIGESTS,
            _digest_example(),
        )
    )


def _mail_example(event_type: str) -> str:
    made = rendered(EmailFormat(subject_prefix="[prod]"), event_type)
    lines = "\n".join(f"{name}: {value}" for name, value in made.headers)
    return f"`{event_type}`:\n\n```text\n{lines}\n\n{made.body.decode()}```\n"


def _digest_example() -> str:
    renderer = renderer_of(config(EmailFormat()))
    assert isinstance(renderer, Teller)
    made = renderer.digest([view(kind) for kind in ("job.failed", "job.failed", "job.succeeded")])
    return f"```text\n{made.body.decode()}```\n"


_PEOPLE: Final = """## Formats for people

`slack`, `teams` and `email` say the same in three media: [how to tell people](../how-to/tell-people.md). Their endpoints are not signed
unless it is asked for.

- A job: what happened, its state and since when, its error, how long it took (since its last start), its id and type, what it works on,
  the job it is a part of and the one that began it all, its labels; then the message of its error, or its details.
- A record: which one, and what was done to it. Its data are left out: whoever reads a channel need not be allowed to read records.
- Operational events: the endpoint or replay, the reason, the numbers.
- Any other event: its type, subject and source, and the first members of its data that are texts, numbers or true and false.

What producers write is cut to a length, freed of line ends and control characters, and can be neither link nor mention nor markup:
the only link is that of the setting.

| setting | default | |
|---|---|---|
| `title` (`email`: `subject_prefix`) | none | stands before each headline, 80 characters at most |
| `link` | none | address of a page about the event: `https://ops.example/jobs/{subject_id}`. Also `{type}`, `{subject_type}`, `{event_id}`, `{tenant}`, percent-encoded, anywhere behind the host. Left out where a value is empty |
"""

_SLACK: Final = """### slack

For [incoming webhooks](https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks/). `text` is what notifications show. Every text of a
block is `verbatim`, and `&`, `<` and `>` are escaped.
"""

_TEAMS: Final = """### teams

For webhooks of the Workflows app: a message with an Adaptive Card 1.4, of 28 000 bytes at most. What an event says stands in text runs, where Markdown
means nothing.
"""

_EMAIL: Final = """### email

For endpoints whose `url` is `mailto:` and up to ten addresses, and only for these. A text in UTF-8. `Message-ID` is made of the
`webhook-id` and the endpoint, so a mail that comes twice is shown once. `Auto-Submitted: auto-generated`; `List-Id` names the endpoint.
"""

_DIGESTS: Final = """### Digests

With `"delivery": {"mode": "batch"}` an endpoint for people gets one message about all events of a batch: how many of which type, the first
ones by name in order (20 in `slack` and `teams`, 100 in `email`), and how many more there are. `max_bytes` means nothing here.
"""
