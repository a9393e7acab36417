"""The delivery of futures over HTTP."""

from contract import EmptyRequest, Operation, QueueState, WireModel, WireResponse
from fake_server.control_api.control import Control, control, controls_of
from fake_server.delivery import DeliveryRule
from fake_server.service import Call

__all__ = ["DELIVERY"]


class RuleEntry(WireResponse):
    """A rule in force."""

    rule: DeliveryRule
    fired: int
    """For how many futures it has decided."""


class HeldEntry(WireResponse):
    """A future that waits for its release."""

    request_id: str
    operation: str
    owner: str
    seq_id: int | None
    computed: bool
    """Whether its work is done."""
    queue_state: QueueState


class DeliveryResponse(WireResponse):
    """The rules, in the order in which they are asked, and what is held."""

    rules: list[RuleEntry]
    held: list[HeldEntry]


class ReleaseRequest(WireModel):
    """Which futures to let show."""

    request_ids: list[str] = []
    """In this order; all that are held where there are none, oldest first."""
    operation: str = "*"
    owner: str = "*"
    seq_id: int | None = None


class ReleaseResponse(WireResponse):
    """What was released."""

    released: list[str]
    """Ids, in order."""


def get_delivery(call: Call, _request: EmptyRequest) -> DeliveryResponse:
    """Rules and held futures."""
    delivery = controls_of(call).delivery
    return DeliveryResponse(
        rules=[RuleEntry(rule=active.rule, fired=active.fired) for active in delivery.rules],
        held=[
            HeldEntry(
                request_id=future.request_id,
                operation=future.operation,
                owner=future.owner,
                seq_id=future.seq_id,
                computed=future.outcome is not None,
                queue_state=future.queue_state,
            )
            for future in delivery.held
        ],
    )


def add_rule(call: Call, request: DeliveryRule) -> DeliveryResponse:
    """Put a rule behind the others."""
    controls_of(call).delivery.add(request)
    return get_delivery(call, EmptyRequest())


def clear_rules(call: Call, _request: EmptyRequest) -> None:
    """Drop all rules."""
    controls_of(call).delivery.clear()


def release(call: Call, request: ReleaseRequest) -> ReleaseResponse:
    """Let futures show."""
    released = controls_of(call).delivery.release(
        *request.request_ids, operation=request.operation, owner=request.owner, seq_id=request.seq_id
    )
    return ReleaseResponse(released=released)


NOTHING = type(None)
DELIVERY: tuple[Control, ...] = (
    control(
        Operation(
            "delivery",
            "GET",
            "The rules by which futures show, how often each fired, and what is held.",
            EmptyRequest,
            DeliveryResponse,
            path="/-/delivery",
            area="delivery",
        ),
        get_delivery,
        python="delivery.rules, delivery.held",
    ),
    control(
        Operation(
            "delivery_add",
            "POST",
            "Say when futures show, and as what.",
            DeliveryRule,
            DeliveryResponse,
            path="/-/delivery",
            area="delivery",
        ),
        add_rule,
        python="delivery(operation, …).after_polls(3)",
    ),
    control(
        Operation(
            "delivery_clear",
            "DELETE",
            "Drop all rules; what is held stays held.",
            EmptyRequest,
            NOTHING,
            path="/-/delivery",
            area="delivery",
        ),
        clear_rules,
        python="delivery.clear()",
    ),
    control(
        Operation(
            "delivery_release",
            "POST",
            "Let held futures show, in the order that is asked for.",
            ReleaseRequest,
            ReleaseResponse,
            path="/-/delivery/release",
            area="delivery",
        ),
        release,
        python="delivery.release(…)",
    ),
)
