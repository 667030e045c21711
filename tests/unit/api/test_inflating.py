"""Bodies with Content-Encoding: gzip, whole, broken and hostile."""

import gzip
import tracemalloc
import zlib

import pytest

from tocsin.api.asgi import MAX_BODY_BYTES
from tocsin.api.inflating import AT_ONCE_BYTES, inflated
from tocsin.errors import MalformedRequest, TooLarge


def noise(size: int) -> bytes:
    """Bytes that do not compress well, the same each time."""
    return b"".join(b"%x" % (number * 2654435761 % 2**32) for number in range(size // 7 + 1))[:size]


def bomb(megabytes: int) -> bytes:
    """Zeros by the megabyte, without the work of compressing them."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * megabytes


@pytest.mark.parametrize(
    "size", [0, 1, AT_ONCE_BYTES - 1, AT_ONCE_BYTES, AT_ONCE_BYTES + 1, 3 * AT_ONCE_BYTES, MAX_BODY_BYTES]
)
@pytest.mark.parametrize("make", [bytes, noise])
async def test_content_comes_back(make: type[bytes], size: int) -> None:
    content = make(size)
    assert await inflated(gzip.compress(content)) == content


async def test_no_body_is_no_content() -> None:
    assert await inflated(b"") == b""


@pytest.mark.parametrize("size", [100, 2 * AT_ONCE_BYTES])
async def test_what_is_not_one_member(size: int) -> None:
    whole = gzip.compress(noise(size))
    for cut in (1, 9, 10, len(whole) // 2, len(whole) - 8, len(whole) - 1):
        with pytest.raises(MalformedRequest, match="ends too early"):
            await inflated(whole[:cut])
    for rest in (b"\0", whole):
        with pytest.raises(MalformedRequest, match="follows"):
            await inflated(whole + rest)
    for broken in (b"x" + whole[1:], whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:], b"{}", zlib.compress(b"{}")):
        with pytest.raises(MalformedRequest, match="not gzip"):
            await inflated(broken)


async def test_one_byte_too_many() -> None:
    with pytest.raises(TooLarge):
        await inflated(gzip.compress(bytes(MAX_BODY_BYTES + 1)))


async def test_a_bomb_is_inflated_up_to_the_limit_only() -> None:
    """Eight gigabytes in eight megabytes."""
    body = bomb(8192)
    assert 7_000_000 < len(body) < MAX_BODY_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(TooLarge):
            await inflated(body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_BODY_BYTES
