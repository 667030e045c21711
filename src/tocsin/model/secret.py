"""A value that must not be shown: its text form is always the same."""

from __future__ import annotations


class Secret:
    """Holds a secret text. `fingerprint` names it without telling it; `is_public` marks a value that is none after all
    (a header row that is not sensitive), and `is_kept` one that stands for the value stored under its fingerprint."""

    __slots__ = ("_value", "fingerprint", "is_kept", "is_public")

    def __init__(self, value: str, *, fingerprint: str = "", is_public: bool = False, is_kept: bool = False) -> None:
        self._value = value
        self.fingerprint = fingerprint
        self.is_public = is_public
        self.is_kept = is_kept

    def reveal(self) -> str:
        """The value itself, for sealing it or for writing it into a request."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value and other.is_public == self.is_public

    def __hash__(self) -> int:
        return hash(self._value)
