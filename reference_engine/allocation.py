"""How the C library gives memory back: not at once, since a training step wants the same pieces again."""

import ctypes
import sys

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Source: glibc malloc.h."""
KEPT_BYTES = 256 << 20
"""Ours: pieces up to that size are reused; fresh ones cost a page fault for every 4 KB, a tenth of a step."""


def keep_freed_memory() -> bool:
    """Keep what is freed for what comes next, where the C library is glibc; whether it is."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
