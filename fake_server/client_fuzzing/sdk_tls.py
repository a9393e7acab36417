"""`one_tls()`: clients that are made below it share what they read their certificates into."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["one_tls"]


@contextmanager
def one_tls() -> Iterator[None]:
    """Keep the contexts of `ssl.create_default_context`, by their arguments, until the end of the context.

    Each client of the SDK reads some hundred certificates, which takes 30 ms and more, also for a server
    without TLS. Not for programs that change a context after it was made: it is everybody's.
    """
    usual = ssl.create_default_context
    ssl.create_default_context = cache(usual)  # type: ignore[assignment] # its arguments can be hashed
    try:
        yield
    finally:
        ssl.create_default_context = usual
