"""Two servers, on which the same programs run."""

from collections.abc import Callable, Iterator
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
def backend_urls() -> Iterator[tuple[str, str]]:
    """Of a server with the scripted backend, and of one with the torch backend."""
    with (
        LiveServer(create_app(find_backend("scripted"))) as scripted,
        LiveServer(create_app(find_backend("torch"))) as torch,
    ):
        yield scripted.url, torch.url


@pytest.fixture(scope="session")
def subjects(backend_urls: tuple[str, str]) -> tuple[Subject, Subject]:
    """Both, in a world that all machines share."""
    scripted, torch = (
        Subject(Driver(f"{url}/t/machines", "tml-machines", "0.38.0"), PICO) for url in backend_urls
    )
    return scripted, torch


@pytest.fixture(scope="session")
def both(backend_urls: tuple[str, str]) -> Both:
    """What the scripted and the torch backend make of a program, each in a world of its own."""
    numbers = count()

    def on_both(program: Program) -> tuple[Transcript, Transcript]:
        number = next(numbers)
        one, other = (
            run(program, Subject(Driver(f"{url}/t/p{number}", "tml-programs", "0.38.0"), PICO))
            for url in backend_urls
        )
        return one, other

    return on_both
