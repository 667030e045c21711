"""The cases of the golden files: one for every row of the vendors' documents, and the shapes of the open formats."""

from __future__ import annotations

from collections.abc import Iterator

from tests.unit.formats.format_builders import cloud_event, data_version_event, event, job, job_event, record_event

from tocsin.model.endpoint import (
    CloudEventsFormat,
    EmailFormat,
    FormatSetting,
    LyticsFormat,
    SlackFormat,
    StandardWebhooksFormat,
    TamrFormat,
    TeamsFormat,
    TelmaiFormat,
    VisierFormat,
)
from tocsin.model.event import Event
from tocsin.model.job import Resource

Case = tuple[str, str, FormatSetting, Event]

SOURCE = Resource(kind="source", id="src-9", name="CRM export")
DATA_PRODUCT = Resource(kind="data_product", id="dp-4", name="Suppliers")
WORKFLOW = Resource(kind="workflow", id="wf-2", name="Deduplicate")
DESTINATION = Resource(kind="destination", id="dst-5", name="Warehouse")

TAMR_IDS = {
    "load-source": ("load_source", (SOURCE,), {}),
    "update-data-product": ("update_data_product", (DATA_PRODUCT,), {}),
    "update-data-product-legacy": ("update_data_product", (DATA_PRODUCT,), {"legacy": True}),
    "update-workflow": ("update_workflow", (WORKFLOW,), {}),
    "publish-configuration": ("publish_configuration", (DATA_PRODUCT, DESTINATION), {}),
    "publish-configuration-legacy": ("publish_configuration", (DATA_PRODUCT, DESTINATION), {"legacy": True}),
    "publish-destination": ("publish_destination", (DESTINATION,), {}),
    "other-type": ("profile", (SOURCE, DATA_PRODUCT), {}),
    "other-type-without-resources": ("vacuum", (), {}),
}

CUSTOMER = b'{"name":"M\xc3\xbcller","revenue":1200.50}'

TAMR_RECORDS = {
    "create": record_event("CREATE", "create", 901, 0, CUSTOMER),
    "update": record_event("UPDATE", "update", 902, 0, CUSTOMER),
    "delete": record_event("DELETE", "delete", 903, 0),
    "merge-0-survivor": record_event("UPDATE", "merge", 904, 0, CUSTOMER),
    "merge-1-retired": record_event("DELETE", "merge", 904, 1, record_id="c-18"),
    "unmerge-0-retained": record_event("UPDATE", "unmerge", 905, 0, CUSTOMER),
    "unmerge-1-resurrected": record_event("CREATE", "unmerge", 905, 1, b'{"name":"Mueller"}', "c-18"),
    "enrich": record_event("UPDATE", "enrich", 906, 0, CUSTOMER),
}

TELMAI = {
    "preparing": job_event(job("preparing", resources=(SOURCE,))),
    "in-progress": job_event(job("running", "preparing", resources=(SOURCE,), details="Reading file 3 of 8")),
    "batch-wait": job_event(job("waiting", "preparing", "running", resources=(SOURCE,))),
    "finished": job_event(job("succeeded", "running", resources=(SOURCE,))),
    "failed": job_event(job("failed", "running", resources=(SOURCE,), error=("BAD_FILE", "File 3 is truncated."))),
}


def tamr_cases() -> Iterator[Case]:
    for name, (job_type, resources, attributes) in TAMR_IDS.items():
        snapshot = job("running", "pending", job_type=job_type, resources=resources, attributes=attributes)
        yield "tamr", f"job-{name}", TamrFormat(), job_event(snapshot)
    by_user = ("STOPPED_BY_USER", "The job was stopped by a user.")
    planning = ("PLANNING_FAILED", "The plan could not be made. Look at the configuration.")
    states = {
        "pending": job("pending", resources=(SOURCE,)),
        "stopping": job("stopping", "pending", "running", resources=(SOURCE,)),
        "done": job("succeeded", "pending", "preparing", "running", "waiting", "running", resources=(SOURCE,)),
        "done-stopped": job("stopped", "pending", "running", "stopping", resources=(SOURCE,), error=by_user),
        "done-failed": job("failed", "pending", resources=(SOURCE,), error=planning),
    }
    for name, snapshot in states.items():
        yield "tamr", f"job-state-{name}", TamrFormat(), job_event(snapshot)
    for name, change in TAMR_RECORDS.items():
        yield "tamr", f"record-{name}", TamrFormat(type="golden.record", source="nordwind.example/hooks/1"), change


def lytics_cases() -> Iterator[Case]:
    realtime = job("running", "pending", mode="realtime")
    works = {
        "created": job_event(job("pending", resources=(SOURCE,), parent="nightly-1", root="nightly-1"), "created"),
        "started": job_event(job("running", "pending")),
        "update": job_event(job("running", "pending"), "updated"),
        "deleted": job_event(job("succeeded", "running"), "deleted"),
        "completed": job_event(job("succeeded", "pending", "running")),
        "failed": job_event(job("failed", "running", error=("EXPORT_FAILED", "The account is locked."))),
        "syncing": job_event(realtime, "syncing"),
        "synced": job_event(realtime, "synced"),
        "synccomplete": job_event(realtime, "sync_completed"),
    }
    setting = LyticsFormat(account_id="acct-5", priority=4)
    for verb, what in works.items():
        yield "lytics", f"work-{verb}", setting, what
    segment = cloud_event(b'{"size":12}', event_type="segment.updated", subject="seg-8")
    yield "lytics", "segment-update", setting, segment
    yield "lytics", "record-created", setting, TAMR_RECORDS["create"]
    yield "lytics", "work-started-v2", LyticsFormat(account_id="acct-5", variant="v2"), works["started"]


def visier_cases() -> Iterator[Case]:
    versions: dict[str, object] = {"data_category_id": "cat-3", "data_version": "2026-11"}
    family: dict[str, object] = {"job_type": "Processing", "parent": "load-6", "root": "load-5", "attributes": versions}
    results = {
        "jobResultSuccess": job("succeeded", "running", **family),
        "jobResultFailure": job("failed", "running", error=("NO_ROWS", "No rows were found."), **family),
        "jobResultRescheduled": job("rescheduled", "running", **family),
    }
    for name, snapshot in results.items():
        yield "visier", name, VisierFormat(tenant_code="NWD_x1"), job_event(snapshot)
    bare = job("succeeded", "running", job_type="Receiving")
    yield "visier", "jobResultSuccess-bare", VisierFormat(), job_event(bare)
    yield "visier", "dvPublish", VisierFormat(tenant_code="NWD_x1"), data_version_event()


def open_cases() -> Iterator[Case]:
    structured, binary = CloudEventsFormat(), CloudEventsFormat(mode="binary")
    text = cloud_event("Grüße".encode(), datacontenttype="text/plain", subject="o 1", time="2026-11-22T11:59:59+01:00")
    extended = cloud_event(
        b'{ "a" : 1.0 }',
        datacontenttype="application/json",
        dataschema="https://shop.example/schema",
        subject="o-1",
        extensions={"comexampleflag": True, "comexampleno": -3, "comexampleword": 'Euro € 😀 "x"', "tenant": "mine"},
    )
    for name, what in {
        "job": job_event(job("failed", "pending", "running", error=("X", "y"), resources=(SOURCE,))),
        "record": TAMR_RECORDS["update"],
        "data-version": data_version_event(),
        "foreign-json": extended,
        "foreign-text": text,
        "foreign-base64": cloud_event(b"\x00\xff", datacontenttype="image/png", is_base64=True),
        "foreign-without-data": cloud_event(),
    }.items():
        yield "cloudevents", f"structured-{name}", structured, what
        yield "cloudevents", f"binary-{name}", binary, what
        yield "standard_webhooks", name, StandardWebhooksFormat(), what


OVER_LONG = "Row 17: <!channel> \u201c*x*\u201d & co, see https://evil.example \n" * 80
LINK = "https://ops.example/{tenant}/jobs/{subject_id}?event={event_id}#log"


def told_events() -> Iterator[tuple[str, Event]]:
    """One for each kind of thing that people are told of."""
    family: dict[str, object] = {"parent": "load-6", "root": "load-5", "resources": (SOURCE, DATA_PRODUCT)}
    failed = job("failed", "pending", "running", error=("BAD_FILE", "File 3 is truncated.\nLine 9."), **family)
    yield "job-failed", job_event(failed)
    yield "job-failed-over-long", job_event(job("failed", "running", error=("X", OVER_LONG)))
    yield "job-succeeded", job_event(job("succeeded", "pending", "running", "waiting", "running"))
    yield "job-restarted", job_event(job("running", "pending", "running", "failed"))
    yield "job-progressed", job_event(job("running", details="Reading file 3 of 8"), "progressed")
    yield "job-overdue", job_event(job("running", "pending"), "overdue")
    yield "job-lost", job_event(job("running", "pending"), "lost")
    for name in ("update", "delete", "merge-0-survivor", "merge-1-retired", "unmerge-1-resurrected"):
        yield f"record-{name}", TAMR_RECORDS[name]
    yield "data-version", data_version_event()
    about = b'"endpoint_id":"end_1","name":"Billing"'
    paused = b'{%b,"url":"https://b.example/secret","reason":"429","paused_until":"2026-11-22T12:00:00.000Z"}' % about
    for verb in ("disabled", "paused", "recovered"):
        yield f"endpoint-{verb}", event(f"endpoint.{verb}", "end_1", paused)
    dead = b'{%b,"count":3,"reasons":{"too old":1,"schedule exhausted":2},"delivery_ids":[]}' % about
    yield "delivery-dead", event("delivery.dead", "end_1", dead)
    replay = (
        b'{"replay_id":"rpl_1","endpoint_id":"end_1","state":"finished","reason":null,"total":9,"done":8,"failed":1}'
    )
    yield "replay-finished", event("replay.finished", "rpl_1", replay)
    refused = b'{"receipt":"r-1","problem":{"title":"Conflict"}}'
    yield "report-refused", event("report.refused", "r-1", refused)
    yield "foreign", cloud_event(b'{"total":12.50,"paid":true,"items":[1],"note":"a <b>\\n@here"}', subject="o-1")
    yield "foreign-bytes", cloud_event(b"\x00\xff", datacontenttype="image/png", is_base64=True)


CASES: tuple[Case, ...] = (
    *open_cases(),
    *tamr_cases(),
    *lytics_cases(),
    *(("telmai", name, TelmaiFormat(tenant="nw-prod"), what) for name, what in TELMAI.items()),
    *visier_cases(),
    *(("slack", name, SlackFormat(title="[prod]", link=LINK), what) for name, what in told_events()),
    *(("teams", name, TeamsFormat(title="[prod]", link=LINK), what) for name, what in told_events()),
    *(("email", name, EmailFormat(subject_prefix="[prod]", link=LINK), what) for name, what in told_events()),
)
