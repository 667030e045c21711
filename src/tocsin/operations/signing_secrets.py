"""The secrets that sign: made where none is given, and replaced without a gap."""

from __future__ import annotations

from collections.abc import Callable

from tocsin.errors import Conflict, InvalidRequest
from tocsin.model.ids import Millis
from tocsin.model.secret import Secret
from tocsin.model.signing import (
    HmacSigning,
    HttpMessageSigning,
    KeyedSigning,
    NoSigning,
    PreviousSecret,
    Signing,
    StandardWebhooksSigning,
)
from tocsin.model.times import from_text, to_text
from tocsin.operations.endpoint_codec import with_fields
from tocsin.signing import SECRET_BYTES, check_key, generated_key, public_key_of, secret_of


class SigningSecrets:
    """`entropy` gives n random bytes; `named` makes a secret of a text, with its fingerprint."""

    __slots__ = ("_entropy", "_named")

    def __init__(self, entropy: Callable[[int], bytes], named: Callable[[str], Secret]) -> None:
        self._entropy = entropy
        self._named = named

    def completed(self, signing: Signing, now: Millis) -> tuple[Signing, str | None]:
        """With a secret, and with the public key that belongs to it; without an old secret that has ended. Gives the secret
        if it had to be generated. What is malformed stays, for the checks to find."""
        if isinstance(signing, NoSigning):
            return signing, None
        if signing.previous is not None and has_ended(signing.previous, now):
            signing = with_fields(signing, previous=None)
        generated = None
        if secret_of(signing) is None:
            generated = generated_key(signing, self._entropy(SECRET_BYTES))
            signing = self._with_secret(signing, generated)
        if isinstance(signing, HmacSigning):
            return signing, generated
        return with_fields(signing, public_key=_public_key(signing)), generated

    def rotated(
        self, signing: Signing | None, secret: str | None, overlap_seconds: float | None, now: Millis
    ) -> Signing:
        """With another secret (None: a generated one), and with the present one as the previous one for the overlap (None: as
        set; one of 0 has ended when it begins). The secret that signs already only ends the previous one, and only when the
        overlap is 0: a rotation that is sent twice must not drop the old secret. Raises Conflict, InvalidRequest."""
        if signing is None or isinstance(signing, NoSigning):
            raise Conflict("The requests of this endpoint are not signed.")
        present = secret_of(signing)
        assert present is not None, "stored signing is complete"
        overlap = signing.overlap_seconds if overlap_seconds is None else overlap_seconds
        if secret == present.reveal():
            return signing if overlap else with_fields(signing, previous=None)
        renewed = self._with_secret(signing, secret or generated_key(signing, self._entropy(SECRET_BYTES)))
        try:
            check_key(renewed)
        except ValueError as error:
            raise InvalidRequest.at("/secret", str(error)) from error
        previous = PreviousSecret(secret=present, valid_until=to_text(now + round(overlap * 1000)))
        return with_fields(renewed, previous=previous)

    def carried(self, signing: Signing, present: Signing | None, now: Millis) -> Signing:
        """Signing that was written down anew, with what the present one of the same kind and algorithm has and the new one does
        not name: its secret, and the one before. A secret that is another one than the present one is a rotation, with the
        overlap that is set."""
        if isinstance(signing, NoSigning) or type(signing) is not type(present) or signing.previous is not None:
            return signing
        assert not isinstance(present, NoSigning | None)
        given, kept = secret_of(signing), secret_of(present)
        if kept is None or _form(signing) != _form(present):
            return signing
        if given is not None and given != kept:
            until = to_text(now + round(signing.overlap_seconds * 1000))
            previous = PreviousSecret(secret=kept, valid_until=until) if signing.overlap_seconds else None
            return with_fields(signing, previous=previous)
        secret = {"key" if isinstance(signing, HmacSigning) else "secret": kept}
        return with_fields(signing, **secret, previous=present.previous)

    def _with_secret(self, signing: KeyedSigning, secret: str) -> KeyedSigning:
        if isinstance(signing, HmacSigning):
            return with_fields(signing, key=self._named(secret))
        return with_fields(signing, secret=self._named(secret))


def has_ended(previous: PreviousSecret, now: Millis) -> bool:
    """Whether an old secret signs no longer. One whose end cannot be read has not."""
    try:
        return from_text(previous.valid_until) <= now
    except ValueError:
        return False


def _form(signing: KeyedSigning) -> str:
    """What a secret has to look like: one of another form means nothing here."""
    return signing.key_encoding if isinstance(signing, HmacSigning) else signing.algorithm


def _public_key(signing: StandardWebhooksSigning | HttpMessageSigning) -> str | None:
    try:
        return None if signing.secret is None else public_key_of(signing.secret.reveal())
    except ValueError:
        return None
