"""`fuzz_server`: the fuzzing of a server, for tests and for the command."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from starlette.applications import Starlette

from contract.laws.driver import Driver
from fake_server.fuzzing.judge import Judge
from fake_server.fuzzing.profiles import PROFILES, Profile
from fake_server.fuzzing.request import ROWS
from fake_server.fuzzing.run import Report, Tell, fuzz
from fake_server.fuzzing.trial import Bench
from fake_server.running import LiveServer
from fake_server.service import Service
from fake_server.snapshots import Snapshot, reset
from fake_server.wire import UnknownFieldWarning
from fake_server.world import take_world

__all__ = ["bench_of", "chosen", "fuzz_server"]

PICO = "tinkerproof/pico"
KEY = "tml-fuzz"
SDK = "0.38.0"


def chosen(patterns: Sequence[str]) -> list[str]:
    """Names of operations that fit one of the patterns, all where there is none.

    Raises:
        LookupError: for a pattern that none fits.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in ROWS):
            raise LookupError(f"--operation: expected a name or a pattern of names, got {pattern!r}")
    return [name for name in ROWS if not patterns or any(fnmatchcase(name, p) for p in patterns)]


def fuzz_server(
    server: str | Starlette,
    *,
    api_key: str = KEY,
    base_model: str | None = None,
    profile: str | Profile = "quick",
    seed: int = 0,
    operations: Sequence[str] = (),
    folder: Path | None = None,
    tell: Tell = lambda *_: None,
    most_findings: int = 10**9,
) -> Report:
    """Try a server with requests that clients send, that a schema allows, and that are broken on purpose.

    Args:
        server: Its URL; or an app, which is then served meanwhile. One of `create_app` is also looked into:
            what is refused must not change its state by a bit.
        api_key: A key that it takes.
        base_model: To train; the first that it names where absent.
        profile: `quick`, `ci`, `nightly`, or one of your own.
        seed: Determines all that is sent.
        operations: Names, or patterns such as `*weights*`; all where none is given.
        folder: Where examples that found something are kept, and tried first.
        tell: Hears of each part: name, group, whether something was found, seconds.
        most_findings: After so many the run ends.

    Raises:
        LookupError: for a pattern that no operation fits, or a profile that there is not.
        ValueError: if the server names no base model, or does not take the key.
        Broken: if it does not answer.
    """
    size = profile if isinstance(profile, Profile) else PROFILES[profile]
    names = chosen(operations)
    with bench_of(server, api_key, base_model, size.patience) as bench:
        return fuzz(
            bench,
            size,
            seed,
            names,
            flows=not operations,
            folder=folder,
            tell=tell,
            most_findings=most_findings,
        )


@contextmanager
def bench_of(
    server: str | Starlette, api_key: str, base_model: str | None, patience: float
) -> Iterator[Bench]:
    """A server to try, for as long as it is tried.

    Raises:
        ValueError: if it names no base model, or does not take the key.
        Broken: if it does not answer.
    """
    with ExitStack() as stack:
        if isinstance(server, str):
            url, inside = server, Inside()
        else:
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore", UnknownFieldWarning)  # we send them on purpose
            url, inside = stack.enter_context(LiveServer(server)).url, _inside(server)
        driver = Driver(url, api_key, SDK, Forgetful())
        model = base_model or _first_model(driver)
        yield Bench(driver, model, Judge(url), patience, inside.fresh, inside.picture)


class Inside(NamedTuple):
    """How to look into a server, and to make it forget; nothing where it is not one of ours."""

    fresh: Callable[[], None] | None = None
    picture: Callable[[], bytes] | None = None


class Forgetful(list[Any]):
    """A trace that keeps nothing: a run has a hundred thousand requests."""

    def append(self, _: Any, /) -> None:
        """Forget it."""


def _first_model(driver: Driver) -> str:
    reply = driver.call("get_server_capabilities")
    if reply.status in (401, 403):
        raise ValueError(f"--api-key: expected one that {driver.url} takes, got {reply.status}")
    models = reply.json.get("supported_models") if reply.status == 200 else None
    for model in models or ():
        if model.get("trainable") is not False:
            return str(model["model_name"])
    raise ValueError(
        f"get_server_capabilities: expected a base model, got status {reply.status} with none; "
        "name one with --base-model, or the URL below which /api/v1 begins with --url"
    )


def _inside(app: Starlette) -> Inside:
    """How to look into an app, and to make it forget; nothing where it is not one of ours."""
    tenants = getattr(app.state, "tenants", None)
    if tenants is None:
        return Inside()
    service: Service = tenants.get()

    def picture() -> bytes:
        """All but times, how many ids there were, and the numbers that were used up."""
        world = take_world(service)
        sessions = world.tables.sessions  # what is refused is a sign of life, too
        unseen = {key: replace(record, seen_at=0.0) for key, record in sessions.records.items()}
        tables = replace(world.tables, sessions=replace(sessions, records=unseen))
        done = {key: value for key, value in world.futures.completions.items() if value[1]}
        futures = replace(world.futures, completions=done)  # that nothing is completed is no state
        kept = replace(world, now=0.0, lanes={}, counts={}, tables=tables, futures=futures)
        return sha256(Snapshot(kept).to_bytes()).digest()

    return Inside(lambda: reset(service), picture)
