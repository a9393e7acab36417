"""The text that `tinkerproof/pico` is trained on: a pure function of a seed, written by a small grammar.

Short stories about people's work, animals, ships and the weather; sums and differences; counting, copying
and letters; and chats about all of them. Nobody in it has a name.
"""

from collections.abc import Iterator
from random import Random

from .chats import chat
from .marks import END
from .patterns import pattern
from .stories import story
from .sums import equation

__all__ = ["document", "documents"]


def document(random: Random) -> str:
    """One document, ending in `END`."""
    kind = random.choices((_stories, equation, chat, pattern), (3, 3, 5, 1))[0]
    return kind(random) + END


def documents(seed: int) -> Iterator[str]:
    """Documents without end, the same for the same seed."""
    random = Random(seed)
    while True:
        yield document(random)


def _stories(random: Random) -> str:
    return "\n".join(story(random).text for _ in range(random.choice((1, 1, 1, 2))))
