"""A hash of a model's weights, so that a checkpoint can say what it was trained on."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from reference_engine.weight_files import gguf_file, shard_files

__all__ = ["content_hash"]

MEBIBYTE = 1 << 20
WHOLE_BELOW = 64 * MEBIBYTE
"""Bytes of a file up to which all of it counts. Source: ours: read and hashed in about 0.1 s."""
SAMPLES, SAMPLE = 64, 64 << 10
"""Pieces of a larger file that count, and bytes of each. Source: ours: training changes every tensor, and so
many pieces at even distances meet a part of each large one."""
LENGTH = 8
"""Bytes that give the length of a safetensors header."""


def content_hash(folder: Path) -> str:
    """A SHA-256 in hexadecimal of a model's weights; the same for the same files, wherever they are.

    Names and sizes of the files count; so does all of a file below 64 MiB, and of a larger one its header and
    pieces at even distances. Config and tokenizer do not.

    Args:
        folder: A model's folder, or its GGUF file.

    Raises:
        OSError: if a file cannot be read.
    """
    single = gguf_file(folder)
    digest = hashlib.sha256()
    for path in shard_files(folder) if single is None else [single]:
        size = path.stat().st_size
        digest.update(f"{path.name}\0{size}\0".encode())
        with path.open("rb") as file:
            for piece in _pieces(file, size):
                digest.update(piece)
    return digest.hexdigest()


def _pieces(file: BinaryIO, size: int) -> Iterator[bytes]:
    if size < WHOLE_BELOW:
        while piece := file.read(MEBIBYTE):
            yield piece
        return
    start = file.read(LENGTH)
    yield start
    header = int.from_bytes(start, "little")
    yield file.read(header if header < size and not start.startswith(b"GGUF") else MEBIBYTE)
    for sample in range(SAMPLES):
        file.seek(sample * (size - SAMPLE) // (SAMPLES - 1))
        yield file.read(SAMPLE)
