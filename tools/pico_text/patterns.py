"""Copying, counting and letters: texts that follow a rule."""

from random import Random
from string import ascii_lowercase

from .stories import ANIMALS, COLOURS, PEOPLE

__all__ = ["exercise", "pattern"]

NOUNS = (
    *PEOPLE,
    *ANIMALS,
    *COLOURS,
    "lamp",
    "ship",
    "sea",
    "rock",
    "door",
    "tree",
    "bread",
    "rope",
    "star",
    "book",
)


def pattern(random: Random) -> str:
    """A run of numbers or letters, or a word said again."""
    shape = random.randrange(5)
    if shape == 0:
        start, step = random.randint(0, 20), random.choice((1, 1, 1, 2, 5, 10))
        return " ".join(str(start + step * place) for place in range(random.randint(4, 10)))
    if shape == 1:
        start = random.randint(3, 12)
        return " ".join(str(number) for number in range(start, -1, -1))
    if shape == 2:
        start = random.randrange(20)
        return random.choice(("", " ")).join(ascii_lowercase[start : start + random.randint(4, 12)])
    if shape == 3:
        return "".join(random.sample(ascii_lowercase, random.randint(2, 4))) * random.randint(3, 6)
    return " ".join([random.choice(NOUNS)] * random.randint(3, 8))


def exercise(random: Random) -> tuple[str, str]:
    """A question about letters, words or counting, and its answer."""
    word = random.choice(NOUNS)
    shape = random.randrange(8)
    if shape == 0:
        first = random.randint(0, 12)
        last = first + random.randint(2, 8)
        return f"Count from {first} to {last}.", " ".join(str(number) for number in range(first, last + 1))
    if shape == 1:
        return f"Spell {word}.", "-".join(word)
    if shape == 2:
        return f"What is the first letter of {word}?", word[0]
    if shape == 3:
        return f"What is the last letter of {word}?", word[-1]
    if shape == 4:
        return f"Write {word} in capitals.", word.upper()
    if shape == 5:
        number = random.randint(0, 98)
        return f"What comes after {number}?", str(number + 1)
    if shape == 6:
        one, two = random.sample(range(100), 2)
        return f"Which is more, {one} or {two}?", str(max(one, two))
    return _copy(random, word)


def _copy(random: Random, word: str) -> tuple[str, str]:
    letters = "".join(random.choices(ascii_lowercase, k=random.randint(3, 7)))
    said = random.choice((word, letters, f"{word} {random.choice(NOUNS)}"))
    times = random.randint(1, 3)
    if times == 1:
        return f"Say {said}.", said
    return f"Say {word} {('', '', 'twice', 'three times')[times]}.", " ".join([word] * times)
