"""What the small model of the hub has read: the forms of the recipes' prompts, and answers."""

from collections.abc import Iterator, Sequence
from random import Random

WORDS = ("red", "green", "blue", "cat", "dog", "tree", "house", "river", "stone", "cloud", "happy", "slow")
WORDS += ("quick", "small", "large")
END = "<|im_end|>"
THOUGHT = "<think>\n\n</think>\n\n"
"""An empty thought: what the renderers put in front of an answer without one."""
BOXED = (
    " Provide a numerical answer without units, written inside \\boxed{}.",
    " Write your answer in \\boxed{} format.",
)
"""How rl_loop and math_rl end a question. Source: tinker-cookbook 0.6.1 recipes."""
LETTERS = (
    "How many r's are in strawberry?",
    "Let's spell the word out and number all the letters: 1) s 2) t 3) r 4) a 5) w 6) b 7) e 8) r 9) r "
    "10) y. We have r's at positions 3, 8, and 9. \\boxed{3}",
)
"""The example that those recipes put in front of a question."""


def sentence(random: Random, words: int, choice: Sequence[str] = WORDS) -> str:
    """Words of no meaning."""
    return " ".join(random.choice(choice) for _ in range(words))


def small_sum(random: Random) -> tuple[int, int]:
    """Two numbers with a sum of 0 to 4: one answer in five is right by chance, so that rewards vary."""
    return random.randint(0, 2), random.randint(0, 2)


def repetition(random: Random, words: int, choice: Sequence[str] = WORDS) -> tuple[str, str]:
    """A request to repeat some words, and the answer."""
    said = sentence(random, words, choice)
    return f"Repeat: {said}", said


def documents(seed: int) -> Iterator[str]:
    """Endless conversations: chats with marks, and those that name who speaks."""
    random = Random(seed)
    while True:
        turns = [_exchange(random)]
        if "boxed" in turns[0][1] and random.random() < 0.6:
            turns.insert(0, (LETTERS[0] + random.choice(BOXED), LETTERS[1]))
        yield _chat(turns, random) if random.random() < 0.65 else _named(turns)


def _exchange(random: Random) -> tuple[str, str]:
    """A question and an answer that has the right form, but half of the time another number."""
    kind = random.random()
    if kind < 0.35:
        a, b = random.randint(0, 100), random.randint(0, 100)
        return f"What is {a} + {b}?", str(a + b)
    if kind < 0.75:
        a, b = small_sum(random)
        told = a + b if random.random() < 0.5 else random.randint(0, 4)
        return f"What is {a} + {b}?{random.choice(BOXED)}", f"\\boxed{{{told}}}"
    return repetition(random, random.randint(1, 6))


def _chat(turns: list[tuple[str, str]], random: Random) -> str:
    """The form of Qwen's chats; the last answer may come after an empty thought."""
    thoughts = [""] * (len(turns) - 1) + [random.choice(("", THOUGHT))]
    return "\n".join(
        f"<|im_start|>user\n{question}{END}\n<|im_start|>assistant\n{thought}{answer}{END}"
        for (question, answer), thought in zip(turns, thoughts, strict=True)
    )


def _named(turns: list[tuple[str, str]]) -> str:
    """The form for base models. It ends with the next user, which is where they stop."""
    return "".join(f"User: {question}\n\nAssistant: {answer}\n\n" for question, answer in turns) + "User:"
