"""The page at /docs: the OpenAPI document as plain HTML, without scripts and without anything from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Final, cast

Json = Mapping[str, object]

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
code, pre { font: 0.9em/1.4 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; border: 1px solid #8884; border-radius: 0.25rem; }
summary { cursor: pointer; padding: 0.25rem 0; }
summary code { font-weight: 600; }
details { border-top: 1px solid #8884; }
table { border-collapse: collapse; }
td { padding: 0.1rem 1rem 0.1rem 0; vertical-align: top; }
"""
DOCS_POLICY: Final = (
    b"default-src 'none'; style-src 'sha256-%b'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    % base64.b64encode(hashlib.sha256(_STYLE.encode()).digest())
)
"""The page's own style and nothing else."""


def docs_page(document: Json) -> str:
    """The page of an OpenAPI document."""
    info = _object(document["info"])
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">',
        f"<title>{_text(info['title'])} API</title><style>{_STYLE}</style></head><body>",
        f"<h1>{_text(info['title'])} API</h1>",
        f"<p>{_text(info['description'])} Version {_text(info['version'])}.</p>",
        '<p>This page is made from <a href="/openapi.json">/openapi.json</a>.</p>',
        "<p>Requests carry <code>Authorization: Bearer &lt;api key&gt;</code>; errors are problem documents.</p>",
        "<h2>Requests</h2>",
        *_operations(_object(document["paths"])),
        "<h2>What receivers get</h2>",
        *_operations(_object(document["webhooks"])),
        "<h2>Schemas</h2>",
        *_schemas(_object(_object(document["components"])["schemas"])),
        "</body></html>",
    ]
    return "\n".join(parts)


def _operations(paths: Json) -> Iterator[str]:
    for path, methods in paths.items():
        for method, value in _object(methods).items():
            operation = _object(value)
            yield f"<details><summary><code>{method.upper()} {_text(path)}</code> {_text(operation['summary'])}</summary>"
            yield from _parameters(cast("list[Json]", operation.get("parameters", [])))
            body = operation.get("requestBody")
            if body is not None:
                for media_type, content in _object(_object(body)["content"]).items():
                    yield f"<p>Body: <code>{_text(media_type)}</code></p>{_pre(content)}"
            yield from _answers(_object(operation["responses"]))
            yield "</details>"


def _parameters(parameters: list[Json]) -> Iterator[str]:
    if parameters:
        yield "<table>"
        for parameter in parameters:
            yield (
                f"<tr><td><code>{_text(parameter['name'])}</code></td><td>{_text(parameter['in'])}</td>"
                f"<td>{_text(parameter.get('description', ''))}</td></tr>"
            )
        yield "</table>"


def _answers(responses: Json) -> Iterator[str]:
    yield "<table>"
    for status, value in responses.items():
        response = _object(value)
        kinds = cast("list[str]", response.get("x-problem-types", []))
        links = ", ".join(f'<a href="{_text(kind)}">{_text(kind.rpartition("/")[2])}</a>' for kind in kinds)
        yield f"<tr><td><code>{_text(status)}</code></td><td>{_text(response['description'])}</td><td>{links}</td></tr>"
    yield "</table>"


def _schemas(schemas: Json) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield f'<details id="{_text(name)}"><summary><code>{_text(name)}</code></summary>{_pre(schema)}</details>'


def _pre(value: object) -> str:
    return f"<pre>{_text(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _object(value: object) -> Json:
    return cast("Json", value)


def _text(value: object) -> str:
    return escape(str(value))
