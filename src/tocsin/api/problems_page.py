"""The page that lists every problem type, made from the classes."""

from __future__ import annotations

from tocsin.api.system_routes import problem_text, problem_types


def problems_page() -> str:
    """docs/reference/problems.md."""
    rows = "\n".join(
        f"\n## `{slug}`\n\n{kind.status}: {kind.title}\n\n{problem_text(kind)}"
        for slug, kind in sorted(problem_types().items())
    )
    return f"""# Problems

Made from `src/tocsin/errors.py` by `python3 dev.py docs`; a test keeps the two equal.

Every error of the API is a problem document (RFC 9457, `application/problem+json`) with `type`, `title`, `status`, mostly `detail`, and
`errors: [{{"pointer", "detail"}}]` where fields are wrong. `type` is `/problems/<name>` with one of the names below; a running server
answers that address with the text given here. Some types have members of their own: `illegal-transition` has `current_state`,
`overloaded` has `retry_after_seconds` (also as `Retry-After`), `method-not-allowed` has `allowed`.
{rows}
"""
