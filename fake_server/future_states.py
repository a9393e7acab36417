"""What a `FutureStore` has at one moment: taken from it, and put into it. It is the store's other half."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fake_server.futures import Future, FutureStore

__all__ = ["Futures", "restore_futures", "state_of_futures"]


@dataclass(frozen=True, slots=True)
class Futures:
    """What a store has at one moment; nothing in it is ever changed."""

    futures: Mapping[str, Future] = field(default_factory=dict)
    """By id, oldest first; each has its outcome."""
    released: tuple[str, ...] = ()
    """Ids of those that show, first released first."""
    dropped: tuple[str, ...] = ()
    completions: Mapping[tuple[str, int], tuple[int, tuple[str, ...]]] = field(default_factory=dict)
    """For each client of a sampling session its cursor, and the ids of the futures up to it."""


def state_of_futures(store: FutureStore) -> Futures:
    """All futures as they are now; each must have its outcome. Those that were read are shared."""
    return Futures(
        {request_id: _kept(future) for request_id, future in store._futures.items()},
        tuple(store._released),
        tuple(store._dropped),
        {
            client: (done.cursor, tuple(future.request_id for future in done.events.values()))
            for client, done in store._completions.items()
        },
    )


def restore_futures(store: FutureStore, state: Futures) -> None:
    """Have these futures in the place of all others; polls that wait look again."""
    earlier = store._futures
    futures = {request_id: _kept(future) for request_id, future in state.futures.items()}
    store._futures = futures
    store._released = OrderedDict((request_id, futures[request_id]) for request_id in state.released)
    store._dropped = OrderedDict.fromkeys(state.dropped)
    for client in {**store._completions, **state.completions}:
        done = store.completions(*client)  # those who poll hold it
        done.cursor, events = state.completions.get(client, (0, ()))
        done.events = OrderedDict((futures[name].cursor, futures[name]) for name in events)
        done.pending.clear()
    for future in futures.values():
        completions = None if future.released else store._completions_of(future)
        if completions is not None:
            completions.pending[future.request_id] = future
    for waiters in (
        *(done.waiters for done in store._completions.values()),
        *(future.waiters for future in earlier.values() if future.waiters),
    ):
        for wake in waiters[:]:
            wake()


def _kept(future: Future) -> Future:
    """A future for another moment or store: itself where it does not change any more."""
    if future.released and future.read:
        return future
    hold = future.hold and replace(future.hold)
    return replace(future, hold=hold, waiters=[], payloads={}, computation=None)
