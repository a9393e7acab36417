"""Small arithmetic: sums and differences, as equations and as questions."""

from dataclasses import dataclass
from random import Random

__all__ = ["KINDS", "Problem", "equation", "problem", "question"]

KINDS: dict[str, tuple[int, int]] = {"digits": (0, 9), "small": (0, 20), "two digits": (10, 99)}
"""Range of both numbers, first to last."""
WEIGHTS = (4, 3, 3)
WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
)
BOXED = "Write it in \\boxed{}."


@dataclass(frozen=True, slots=True)
class Problem:
    """`left + right` or `left - right`, never below zero."""

    left: int
    sign: str
    right: int

    @property
    def answer(self) -> int:
        """The number that is asked for."""
        return self.left + self.right if self.sign == "+" else self.left - self.right


def problem(random: Random, kind: str = "") -> Problem:
    """A problem of one of `KINDS`, or of any of them."""
    first, last = KINDS[kind or random.choices(tuple(KINDS), WEIGHTS)[0]]
    left, right = random.randint(first, last), random.randint(first, last)
    if random.random() < 0.6:
        return Problem(left, "+", right)
    return Problem(max(left, right), "-", min(left, right))


def equation(random: Random) -> str:
    """One to six lines like `3+4=7`, all written alike, or a sum in words."""
    if random.random() < 0.1:
        given = problem(random, "digits")
        verb = "plus" if given.sign == "+" else "minus"
        return f"{WORDS[given.left]} {verb} {WORDS[given.right]} is {WORDS[given.answer]}."
    form = random.choice(("{0.left}{0.sign}{0.right}={0.answer}", "{0.left} {0.sign} {0.right} = {0.answer}"))
    return "\n".join(form.format(problem(random)) for _ in range(random.choice((1, 1, 2, 4, 6))))


def question(random: Random) -> tuple[str, str]:
    """A question and its answer: a number, boxed where the question says so."""
    given = problem(random)
    verb = {"+": "plus", "-": "minus"}[given.sign]
    asked = random.choice(
        (
            f"what is {given.left} {verb} {given.right}?",
            f"What is {given.left} {verb} {given.right}?",
            f"What is {given.left} {given.sign} {given.right}?",
            f"What is {given.left} {given.sign} {given.right}?",
            f"{given.left}{given.sign}{given.right}",
            f"{given.left} {given.sign} {given.right} = ?",
        )
    )
    if random.random() < 0.1:
        return f"{asked} {BOXED}", f"\\boxed{{{given.answer}}}"
    return asked, str(given.answer)
