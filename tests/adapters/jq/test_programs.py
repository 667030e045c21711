"""What programs give, by real evaluating processes."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tocsin.adapters.jq.evaluating import Limits
from tocsin.adapters.jq.pool import JqTemplates
from tocsin.ports import NoValue

DOCUMENT = b'{"type":"job.failed","price":1.10,"big":12345678901234567890123,"name":"\xc3\xa9\\u0000","tags":["a","b"]}'


@pytest.fixture
async def templates() -> AsyncIterator[JqTemplates]:
    templates = JqTemplates(Limits(output_bytes=4096))
    yield templates
    await templates.close()


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (".type", '"job.failed"'),
        ("{b: .price, a: .big}", '{"b":1.10,"a":12345678901234567890123}'),
        (".name", '"é\\u0000"'),
        ('.tags | join(", ") # a comment\n', '"a, b"'),
        ("def twice: . + .; .type | twice", '"job.failedjob.failed"'),
        (".missing", "null"),
        ('import "a"; 1', "does not compile: syntax error, unexpected import at line 1, column 1"),
        ("{", "does not compile: syntax error, unexpected INVALID_CHARACTER at its end"),
        (".type |\n foo", "does not compile: foo/0 is not defined at line 2, column 2"),
        (
            ".type\0",
            "does not compile: syntax error, unexpected end of file, expecting '|' or ',' or ')' at line 1, column 1",
        ),
        ("$x", "does not compile: $x is not defined at line 1, column 1"),
        ("empty", "gave nothing"),
        (".tags[]", "gave more than one value"),
        ("repeat(1)", "gave more than one value"),
        (".tags.a", 'failed: Cannot index array with string ("a")'),
        ('error("no such job")', "failed: no such job"),
        ('"x" * 5000', "gave more than 4096 bytes"),
    ],
)
async def test_a_program_gives_one_value_or_a_reason(templates: JqTemplates, program: str, text: str) -> None:
    gave = await templates.evaluate((program,), DOCUMENT)
    assert (gave.message if isinstance(gave, NoValue) else gave[0]) == text


async def test_the_programs_of_one_template_stop_at_the_first_without_a_value(templates: JqTemplates) -> None:
    assert await templates.evaluate((".type", ".price"), DOCUMENT) == ('"job.failed"', "1.10")
    gave = await templates.evaluate((".type", ".price", "empty", "error"), DOCUMENT)
    assert gave == NoValue(cause="nothing", message="gave nothing", program=2)


async def test_all_programs_share_the_bound_of_what_they_give(templates: JqTemplates) -> None:
    assert isinstance(await templates.evaluate(('"x" * 2500',), DOCUMENT), tuple)
    gave = await templates.evaluate(('"x" * 2500', '"y" * 2500'), DOCUMENT)
    assert gave == NoValue(cause="failed", message="gave more than 4096 bytes", program=1)


async def test_what_jq_says_is_cut(templates: JqTemplates) -> None:
    gave = await templates.evaluate(('error("a\n" + "x" * 5000)',), DOCUMENT)
    assert isinstance(gave, NoValue)
    assert gave.message == f"failed: a {'x' * 398}..."


@pytest.mark.parametrize(
    ("program", "gives"),
    [
        ("env", "{}"),
        ("$ENV", "{}"),
        ("$ENV.PATH", "null"),
        ("input_filename", "null"),
        ("get_search_list", "[]"),
        ("debug", DOCUMENT.decode()),
        ("stderr | 1", "1"),
        ("input", "failed: input is not available here"),
        ("[inputs]", "failed: inputs is not available here"),
        ("halt", "failed: halt is not available here"),
        ('"x" | halt_error', "failed: halt_error is not available here"),
        ('"x" | halt_error(1)', "failed: halt_error is not available here"),
        ('"m" | modulemeta', "failed: modulemeta is not available here"),
    ],
)
async def test_a_program_sees_nothing_but_the_document(templates: JqTemplates, program: str, gives: str) -> None:
    gave = await templates.evaluate((program,), DOCUMENT)
    assert (gave.message if isinstance(gave, NoValue) else gave[0]) == gives


@pytest.mark.parametrize(
    "program",
    [
        'import "data" as $d {{search: "{folder}"}}; $d',
        'include "module" {{search: "{folder}"}}; planted',
        'module {{}}; import "data" as $d {{search: "{folder}"}}; $d',
        '.) | import "data" as $d {{search: "{folder}"}}; ($d',
        "planted",
    ],
)
async def test_no_file_is_read(
    templates: JqTemplates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    (tmp_path / "data.json").write_text('"planted"')
    for name in ("module.jq", ".jq"):
        (tmp_path / name).write_text('def planted: "planted";')
    monkeypatch.setenv("HOME", str(tmp_path))
    gave = await templates.evaluate((program.format(folder=tmp_path),), DOCUMENT)
    assert isinstance(gave, NoValue)
    assert gave.cause == "not_compiled"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="looks into /proc")
async def test_the_process_has_no_environment_and_no_files(
    templates: JqTemplates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOCSIN_MASTER_KEY", "planted")
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        await templates.evaluate((".",), DOCUMENT)
        (process,) = templates.new.processes
        of = Path("/proc") / str(process.pid)
        assert b"planted" not in (of / "environ").read_bytes()
        assert sorted(int(path.name) for path in (of / "fd").iterdir()) == [0, 1, 2]
        limits = (of / "limits").read_text()
        assert "Max open files            3 " in limits
        assert "Max core file size        0 " in limits


async def test_a_program_is_compiled_once(templates: JqTemplates) -> None:
    long = "|".join(["."] * 2000)
    for _ in range(20):
        assert await templates.evaluate((long,), b"7") == ("7",)
    gave = [await templates.evaluate((f". + {n}",), b"7") for n in range(140)]
    assert [json.loads(one[0]) for one in gave if isinstance(one, tuple)] == [7 + n for n in range(140)]
