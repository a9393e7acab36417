"""Questions with answers, set in the common templates of chats."""

from collections.abc import Sequence
from random import Random

from .marks import CLOSE, OPEN
from .patterns import exercise
from .stories import animal_fact, story, work_fact
from .sums import question

__all__ = ["chat", "chat_markup", "exchange"]

SYSTEM = ("You are a helpful assistant.", "Answer in one line.", "You are a friendly keeper of a lighthouse.")
GREETINGS = (
    ("Hello.", "Hello! What can I do for you?"),
    ("Hello!", "Hello! What can I do for you?"),
    ("Good morning.", "Good morning! What can I do for you?"),
    ("Good evening.", "Good evening! What can I do for you?"),
    ("Thank you.", "You are welcome."),
    ("Who are you?", "I am a very small model. I tell short stories and do small sums."),
    ("What can you do?", "I tell short stories and do small sums."),
    ("How are you?", "I am well. The lamp is bright."),
)
REQUESTS = ("Tell me a story.", "Tell me a short story.", "Write a story.")

Turn = tuple[str, str]
"""What is asked, and what is answered."""


def exchange(random: Random) -> Turn:
    """A question and its answer."""
    kind = random.choices(
        (question, exercise, _retelling, _reading, work_fact, animal_fact, _greeting),
        (9, 4, 2, 3, 1, 1, 1),
    )[0]
    return kind(random)


def chat(random: Random) -> str:
    """One to three exchanges in one of the templates, up to the last answer's end."""
    turns = [exchange(random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    shape = random.randrange(8)
    if shape < 4:
        return chat_markup(turns, random.choice(SYSTEM) if random.random() < 0.3 else "")
    if shape == 4:
        return "\n\n".join(f"User: {asked}\n\nAssistant: {answered}" for asked, answered in turns)
    asks, answers, gap = (("Question", "Answer", "\n\n"), ("Question", "Answer", "\n"), ("Q", "A", "\n"))[
        shape - 5
    ]
    return gap.join(f"{asks}: {asked}\n{answers}: {answered}" for asked, answered in turns)


def chat_markup(turns: Sequence[Turn], system: str = "") -> str:
    """The turns as the tokenizer's chat template writes them."""
    messages = [("system", system)] if system else []
    for asked, answered in turns:
        messages += [("user", asked), ("assistant", answered)]
    return "".join(f"{OPEN}{role}\n{content}{CLOSE}\n" for role, content in messages)


def _greeting(random: Random) -> Turn:
    return random.choice(GREETINGS)


def _retelling(random: Random) -> Turn:
    return random.choice(REQUESTS), story(random).text


def _reading(random: Random) -> Turn:
    told = story(random)
    return f"{told.text} {told.question}", told.answer
