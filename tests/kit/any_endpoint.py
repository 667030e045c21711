"""Any endpoint, as the API shows it: made from the model, so that a new setting is in it at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

from tocsin.model.endpoint import EndpointConfig, Header
from tocsin.model.secret import Secret

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20) | st.sampled_from(
    ["a\nb", "a\r\nb", " a ", "k=v", "a=b=c", "x y", "-", "\n", "<b>&quot;"]
)
fingerprints = st.text("0123456789abcdef", min_size=8, max_size=8)
kept = fingerprints.map(lambda text: {"set": True, "fingerprint": text})
headers = st.fixed_dictionaries(
    {"name": texts.filter(str.strip), "value": texts.filter(str.strip), "sensitive": st.just(False)}
) | st.fixed_dictionaries({"name": texts.filter(str.strip), "value": kept, "sensitive": st.just(True)})


def numbers(kind: inspect.IntType | inspect.FloatType) -> st.SearchStrategy[Any]:
    low = kind.ge if kind.ge is not None else 0 if kind.gt is None else kind.gt + 1
    high = kind.le if kind.le is not None else 10**9
    if isinstance(kind, inspect.IntType):
        return st.integers(int(low), int(high))
    return st.integers(int(low), int(high)) | st.floats(low, high, allow_nan=False)


def strings(kind: inspect.StrType) -> st.SearchStrategy[str]:
    if kind.pattern is not None:
        return st.from_regex(kind.pattern, fullmatch=True)
    return texts.filter(str.strip) if kind.min_length else texts


def objects(kind: inspect.StructType) -> st.SearchStrategy[Any]:
    if kind.cls is Header:
        return headers
    members = {field.encode_name: documents(field.type) for field in kind.fields}
    if kind.tag_field is not None:
        members[kind.tag_field] = st.just(kind.tag)
    made = st.fixed_dictionaries(members)
    if not kind.cls.__struct_config__.omit_defaults:
        return made
    return made.map(lambda value: {name: inner for name, inner in value.items() if inner is not None})


MADE: dict[type, Callable[[Any], st.SearchStrategy[Any]]] = {
    inspect.StructType: objects,
    inspect.UnionType: lambda kind: st.one_of([documents(one) for one in kind.types]),
    inspect.NoneType: lambda _: st.none(),
    inspect.StrType: strings,
    inspect.BoolType: lambda _: st.booleans(),
    inspect.IntType: numbers,
    inspect.FloatType: numbers,
    inspect.LiteralType: lambda kind: st.sampled_from(kind.values),
    inspect.EnumType: lambda kind: st.sampled_from([one.value for one in kind.cls]),
    inspect.VarTupleType: lambda kind: st.lists(documents(kind.item_type), min_size=kind.min_length or 0, max_size=4),
    inspect.DictType: lambda kind: st.dictionaries(documents(kind.key_type), documents(kind.value_type), max_size=3),
    inspect.CustomType: lambda _: kept,
}


def documents(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Values of a type, as builtins. A type of another kind than there was fails here."""
    return MADE[type(kind)](kind)


any_endpoint = documents(inspect.type_info(EndpointConfig))


def as_config(document: object) -> EndpointConfig:
    """What a document means, defaults filled in."""

    def secret(kind: type, value: Any) -> object:
        return Secret(value if isinstance(value, str) else value["fingerprint"])

    return msgspec.convert(document, EndpointConfig, dec_hook=secret)
