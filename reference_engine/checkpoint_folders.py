"""Checkpoints as folders: what is on disk is whole, always."""

import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path

from contract import Weights
from reference_engine.checkpoints import AdapterWeights, Origin, read_weights

__all__ = ["read_folder", "write_folder"]


def write_folder(weights: Weights, folder: Path) -> None:
    """Write a checkpoint's files to a new folder; it appears whole or not at all, whatever fails.

    The files are written beside it, brought to the disk, and renamed. After a crash a folder of the name
    `.NAME.*` may be left.

    Raises:
        FileExistsError: if the folder is there.
        OSError: if it cannot be written.
    """
    if folder.exists():
        raise FileExistsError(f"{folder}: expected a new folder, got one that is there; choose another name")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = folder.parent / f".{folder.name}.{secrets.token_hex(8)}"
    scratch.mkdir()
    try:
        for name, content in weights.files().items():
            _write(scratch / name, content)
        _sync(scratch)
        scratch.rename(folder)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    _sync(folder.parent)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_folder(folder: Path, origin_of: Callable[[str], Origin]) -> AdapterWeights:
    """The checkpoint in a folder, as `read_weights` reads its files.

    Raises:
        OSError: if the folder cannot be read.
        RequestFailure: as `read_weights` does.
    """
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    return read_weights(files, origin_of)
