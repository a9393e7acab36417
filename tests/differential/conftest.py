"""Two servers, on which the same programs run."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count

import pytest

from contract.laws.driver import Driver
from contract.laws.subject import Subject
from contract.programs import Program, Transcript, run
from fake_server.app import create_app
from fake_server.running import LiveServer, find_backend

PICO = "tinkerproof/pico"
Both = Callable[[Program], tuple[Transcript, Transcript]]


@pytest.fixture(scope="session")
def both() -> Iterator[Both]:
    """What the scripted and the torch backend make of a program, each in a world of its own."""
    numbers = count()
    with ExitStack() as stack:
        urls = [
            stack.enter_context(LiveServer(create_app(find_backend(name)))).url
            for name in ("scripted", "torch")
        ]

        def on_both(program: Program) -> tuple[Transcript, Transcript]:
            number = next(numbers)
            one, other = (
                run(program, Subject(Driver(f"{url}/t/p{number}", "tml-programs", "0.38.0"), PICO))
                for url in urls
            )
            return one, other

        yield on_both
