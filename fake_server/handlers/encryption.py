"""Weights that only the holders of some keys can read: the age format."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from contract import RequestFailure, Weights


@dataclass(frozen=True, slots=True)
class EncryptedFiles:
    """Weights that only the recipients can read."""

    contents: Mapping[str, bytes]

    @property
    def size_bytes(self) -> int:
        """Size of all files together."""
        return sum(map(len, self.contents.values()))

    def files(self) -> Mapping[str, bytes]:
        """The encrypted files, each with the suffix `.age`."""
        return self.contents

    def without_optimizer(self) -> "EncryptedFiles":
        """The same: there is no optimizer's state in it."""
        return self


def encrypted(weights: Weights, recipients: list[str]) -> Weights:
    """Every file of `weights`, encrypted to the recipients' public keys.

    Raises:
        RequestFailure: if a key cannot be read, or the library is not installed.
    """
    try:
        import pyrage
    except ImportError:
        raise RequestFailure(
            "age_encryption_recipients: this server cannot encrypt; install tinkerproof[age] where it runs"
        ) from None
    try:
        keys = [_recipient(pyrage, text) for text in recipients]
    except pyrage.RecipientError as error:
        raise RequestFailure(
            f"age_encryption_recipients: expected age1... or SSH public keys, got another: {error}"
        ) from None
    if not keys:
        raise RequestFailure("age_encryption_recipients: expected at least one public key, got none")
    return EncryptedFiles(
        {f"{name}.age": pyrage.encrypt(data, keys) for name, data in weights.files().items()}
    )


def _recipient(pyrage: Any, text: str) -> Any:
    kind = pyrage.x25519 if text.startswith("age1") else pyrage.ssh
    return kind.Recipient.from_str(text)
