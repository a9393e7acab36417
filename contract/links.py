"""What an answer is good for: which operations take an id that another one gave.

They stand in the OpenAPI document as links, so that a tool which reads it goes from a session to a model, to
its training and to what came of it, as a client does. Nearly all ids stand in bodies: links fill fields.
"""

from dataclasses import dataclass, field

__all__ = ["LINKS", "Link", "links_of"]


@dataclass(frozen=True, slots=True)
class Link:
    """Fields of an answer that another operation takes."""

    target: str
    """The operation's name."""
    body: dict[str, str] = field(default_factory=dict)
    """Fields of its body, dotted where they are nested: the field of the answer."""
    path: dict[str, str] = field(default_factory=dict)
    """Fields of its path: the field of the answer."""


SESSION, MODEL, SAMPLER, PATH = "session_id", "model_id", "sampling_session_id", "path"
POLL = Link("retrieve_future", body={"request_id": "request_id"})
OF_A_SESSION = (
    Link("create_model", body={SESSION: SESSION}),
    Link("create_sampling_session", body={SESSION: SESSION}),
    Link("session_heartbeat", body={SESSION: SESSION}),
    Link("create_custom_loss", body={SESSION: SESSION}),
    Link("get_session", path={SESSION: SESSION}),
    Link("export_trace", path={SESSION: SESSION}),
    Link("assign_session_project", path={SESSION: SESSION}),
    Link("finish_session", path={SESSION: SESSION}),
)
OF_A_SAMPLER = (
    Link("asample", body={SAMPLER: SAMPLER}),
    Link("join_sampling_session", body={SAMPLER: SAMPLER}),
    Link("retrieve_futures", body={f"target.{SAMPLER}": SAMPLER}),
    Link("get_sampler", path={SAMPLER: SAMPLER}),
)
OF_A_RESULT = (
    *(
        Link(target, body={MODEL: MODEL})
        for target in (
            "forward_backward",
            "forward",
            "optim_step",
            "save_weights",
            "save_weights_for_sampler",
            "save_weights_external",
            "get_info",
            "unload_model",
        )
    ),
    Link("list_checkpoints", path={"training_run_id": MODEL}),
    Link("get_training_run", path={"training_run_id": MODEL}),
    Link("load_weights", body={PATH: PATH}),
    Link("weights_info", body={"tinker_path": PATH}),
    Link("copy_weights", body={"source_path": PATH}),
    Link("create_sampling_session", body={"model_path": PATH}),
)
LINKS: dict[str, tuple[Link, ...]] = {
    "create_session": OF_A_SESSION,
    "create_sampling_session": OF_A_SAMPLER,
    "asample": (POLL, Link("cancel_future", body={"request_id": "request_id"})),
    "retrieve_future": OF_A_RESULT,
}
"""By the operation that answers; every other deferred one is followed by `POLL` alone."""


def links_of(operation: str, *, deferred: bool) -> dict[str, dict[str, object]]:
    """The links of an operation's answer as OpenAPI 3.1 has them, by the name of their target."""
    found = LINKS.get(operation, (POLL,) if deferred else ())
    return {_name(link): _described(link) for link in found}


def _name(link: Link) -> str:
    return "result" if link is POLL else link.target


def _described(link: Link) -> dict[str, object]:
    described: dict[str, object] = {"operationId": link.target, "description": "What can come next."}
    if link is POLL:
        described["description"] = "The result, once it is there."
    if link.path:
        described["parameters"] = {f"path.{name}": _expression(source) for name, source in link.path.items()}
    if link.body:
        body: dict[str, object] = {}
        for name, source in link.body.items():
            outer, _, inner = name.partition(".")
            body[outer] = {inner: _expression(source)} if inner else _expression(source)
        described["requestBody"] = body
    return described


def _expression(source: str) -> str:
    return f"$response.body#/{source}"
