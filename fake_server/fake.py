"""`Fake`: one tenant of a live server, as a test holds it."""

from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from starlette.types import ASGIApp

from contract import BackendFactory, BackendOptions
from fake_server.app import create_app, for_tenant
from fake_server.cassettes.deck import Deck
from fake_server.clock import Clock
from fake_server.controls import Controls
from fake_server.delivery import Delivery
from fake_server.injector import Injector
from fake_server.journal import Journal
from fake_server.raw import Raw
from fake_server.running import LiveServer
from fake_server.service import Service
from fake_server.settings import Settings
from fake_server.snapshots import Snapshot, reset, restore, take
from fake_server.stubs import Stubs
from fake_server.tenants import PREFIX, Tenants
from fake_server.timekeeping import Timekeeper
from fake_server.verdict import Verdict

if TYPE_CHECKING:
    import tinker

__all__ = ["API_KEY", "Fake", "FakeServer"]

API_KEY = "tml-tinkerproof"
GOODBYE_SECONDS = 10.0
"""Ours: a client whose server answers is closed in milliseconds; one that tries again would for minutes."""


class FakeServer(LiveServer):
    """A live server with controls that hands out worlds."""

    def __init__(
        self, open_backend: BackendFactory, options: BackendOptions | None = None, *, port: int = 0
    ) -> None:
        super().__init__(create_app(open_backend, options=options, control=True), port)
        self._numbers = count()
        self._fresh: Fake | None = None

    def fresh(self, settings: Settings | None = None, clock: Clock | None = None) -> "Fake":
        """An empty world; it lives until the next one is made. For each example of a property test."""
        self.forget()
        self._fresh = Fake(self, f"fresh-{next(self._numbers)}", settings=settings, clock=clock)
        return self._fresh

    def forget(self) -> None:
        """Drop the world that `fresh` has made last, if it is there."""
        if self._fresh is not None:
            self._fresh.close()
            self._fresh = None

    def stop(self) -> None:
        """Stop; returns once the thread has ended."""
        self.forget()
        super().stop()


class Fake:
    """A fresh, isolated world: its own sessions, models, checkpoints, ids and clock."""

    def __init__(
        self,
        server: LiveServer,
        name: str,
        *,
        settings: Settings | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.name = name
        self._server = server
        self._clients: list[Any] = []
        self._numbers = count()
        self._fresh: Fake | None = None
        self._forks: list[Fake] = []
        self._tenants.add(name, settings, clock)

    def __repr__(self) -> str:
        return f"Fake({self.name!r} at {self._address()})"

    @property
    def _tenants(self) -> Tenants:
        tenants: Tenants = self._server.app.state.tenants
        return tenants

    @property
    def url(self) -> str:
        """What `TINKER_BASE_URL` shall be."""
        controls = self.service.controls
        if controls is not None:
            controls.faults.url_is_known = True
        return self._address()

    def _address(self) -> str:
        controls = self.service.controls
        door = controls.faults.door_url if controls is not None else None
        return f"{door or self._server.url}{PREFIX}{self.name}"

    @property
    def api_key(self) -> str:
        """What `TINKER_API_KEY` shall be."""
        return API_KEY

    @property
    def asgi(self) -> ASGIApp:
        """The same world as an ASGI app, for `httpx.ASGITransport` and its like."""
        return for_tenant(self._server.app, self.name)

    @property
    def service(self) -> Service:
        """The world itself; hold `service.lock` while you change it."""
        return self._tenants.get(self.name)

    @property
    def controls(self) -> Controls:
        """All controls of this world.

        Raises:
            LookupError: if the server was started without.
        """
        controls = self.service.controls
        if controls is None:
            raise LookupError("controls are off on this server; make its app with control=True")
        return controls

    @property
    def clock(self) -> Timekeeper:
        """The time of this world."""
        return self.controls.clock

    @property
    def delivery(self) -> Delivery:
        """When the outcomes of this world's futures show, and as what."""
        return self.controls.delivery

    @property
    def journal(self) -> Journal:
        """What this world was asked, and what it answered."""
        return self.controls.journal

    @property
    def verdict(self) -> Verdict:
        """What the journal says about the client."""
        return self.controls.verdict

    @property
    def raw(self) -> Raw:
        """One call of the API at a time, without the SDK: `raw.call("get_info", {"model_id": ...})`."""
        return Raw(self.url, self.api_key)

    @property
    def page_url(self) -> str:
        """The page of this world, to open in a browser."""
        return f"{self.url}/-/"

    @property
    def cassettes(self) -> Deck:
        """What records this world, or replays one: `.record(path)`, `.replay(path)`, `.use(path, mode)`."""
        return self.controls.cassettes

    @property
    def faults(self) -> Injector:
        """What is done to its requests on purpose."""
        return self.controls.faults

    @property
    def stubs(self) -> Stubs:
        """Canned results and failures: `stubs.on("sample").fails("server").then.returns(tokens=[1])`."""
        return self.controls.stubs

    def snapshot(self) -> Snapshot:
        """This world as it is, once no operation is under way; a value, and with `.save(path)` a file.

        Raises:
            BadRequest: naming what is under way, or waits for a missing number, after 10 s.
        """
        return take(self.service)

    def restore(self, snapshot: Snapshot) -> None:
        """Be as this or another world was; one of a file comes from `Snapshot.load(path)`.

        Faults, stubs, rules of delivery and the journal stay as they are.

        Raises:
            BadRequest: naming what is under way after 10 s.
            RequestFailure: for the snapshot of another backend; nothing is changed.
        """
        restore(self.service, snapshot)

    def fork(self, name: str | None = None) -> "Fake":
        """Another world that begins where this one is; neither sees what the other does from then on.

        It is dropped with this one.

        Raises:
            BadRequest: if an operation is under way and does not end.
        """
        begin, kept = self.snapshot(), self.controls.snapshots
        chosen = name or kept.next_name()
        fork = Fake(self._server, chosen, settings=self.service.settings, clock=kept.clock(begin))
        fork.restore(begin)
        self._forks.append(fork)
        return fork

    def reset(self) -> None:
        """Forget all that this world has."""
        reset(self.service)

    def seed(self, seed: int) -> None:
        """Forget all that this world has; from now on ids and numbers derive from another seed."""
        reset(self.service, seed)

    def env(self) -> dict[str, str]:
        """Environment variables for a client in another process."""
        return {
            "TINKER_BASE_URL": self.url,
            "TINKER_API_KEY": self.api_key,
            "TINKER_TELEMETRY": "0",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def service_client(self, **options: Any) -> "tinker.ServiceClient":
        """A `tinker.ServiceClient` of this world. Needs the SDK installed."""
        import tinker

        client = tinker.ServiceClient(base_url=self.url, api_key=self.api_key, **options)
        self._clients.append(client)
        return client

    def fresh(self) -> "Fake":
        """Another empty world, with the same settings and a clock of the same kind; it lives until the next.

        For each example of a property test. There the fixture itself is one world for all examples, which
        hypothesis refuses unless told otherwise; `tinker_fake_server.fresh()` needs no telling.
        """
        self.forget()
        name, clock = f"{self.name}-{next(self._numbers)}", type(self.service.clock)()
        self._fresh = Fake(self._server, name, settings=self.service.settings, clock=clock)
        return self._fresh

    def forget(self) -> None:
        """Drop the world that `fresh` has made last, if it is there."""
        if self._fresh is not None:
            self._fresh.close()
            self._fresh = None

    def close(self) -> None:
        """Close the clients that were handed out, and drop the world with its forks.

        A client that cannot say goodbye does not fail the test: its session may be gone.
        """
        for fork in self._forks:
            fork.close()
        self.forget()
        if self.service.controls is not None:
            self.service.controls.faults.clear()
        while self._clients:
            client = self._clients.pop()
            if hasattr(client, "close"):
                with suppress(Exception):
                    client.close("success").result(timeout=GOODBYE_SECONDS)
        if self.service.controls is not None:
            self.service.controls.cassettes.close()
        self._tenants.drop(self.name)
