"""What msgspec says of a bad field, as a pointer."""

from typing import Annotated

import msgspec
import pytest

from tocsin.errors import FieldError
from tocsin.operations.pointers import field_error, invalid_field


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    number: int
    short: Annotated[str, msgspec.Meta(max_length=2)] = ""
    words: dict[str, str] = {}


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    items: list[Inner]
    one: Inner | None = None


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"items":1}', "/items"),
        (b'{"items":[{"number":"1"}]}', "/items/0/number"),
        (b'{"items":[{"number":1},{"number":1,"short":"abc"}]}', "/items/1/short"),
        (b'{"items":[{"number":1,"x":2}]}', "/items/0/x"),
        (b'{"items":[{}]}', "/items/0/number"),
        (b'{"items":[],"one":{"number":1,"a/b~c":0}}', "/one/a~1b~0c"),
        (b'{"items":[],"more":1}', "/more"),
        (b"{}", "/items"),
        (b"[]", ""),
        (b'{"items":[{"number":1,"words":{"a":1}}]}', "/items/0/words"),
        (b'{"items":[{"number":1,"` - at `$.items":0}]}', "/items/0/` - at `$.items"),
    ],
)
def test_the_pointer_names_the_field(body: bytes, pointer: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Outer)
    problem = invalid_field(caught.value, "/7")
    assert problem.errors == (FieldError(f"/7{pointer}", problem.detail),)
    assert " - at `$" not in problem.detail or "` - at `$.items" in pointer


def test_the_message_stays() -> None:
    assert field_error("Expected `int`, got `str` - at `$.a[1].b`") == FieldError("/a/1/b", "Expected `int`, got `str`")
    assert field_error("Something") == FieldError("", "Something")
