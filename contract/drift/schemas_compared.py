"""Protobuf messages, paths and methods of two releases, as their code has them."""

from collections.abc import Iterator, Mapping, Sequence

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto

from contract.drift.change import Change
from contract.drift.roles import operation_of_call
from contract.drift.shape import Shape

__all__ = ["call_changes", "message_changes", "method_changes"]

CARRIERS: Mapping[str, tuple[str, ...]] = {
    "ForwardBackwardRequest": ("forward_backward",),
    "ForwardBackwardOutput": ("forward_backward", "retrieve_future"),
    "SampleResponse": ("asample", "retrieve_future"),
}
"""The operations on whose wire a message is, by the outermost message."""
Leaf = tuple[str, str, str]
"""Name, type and label of a field."""


def message_changes(older: str, newer: str) -> Iterator[Change]:
    """What differs between two schemas, by numbers: names are not on the wire.

    Args:
        older: the serialized schema as hex; empty where there is none.
        newer: the same.
    """
    if bool(older) != bool(newer):
        came = bool(newer)
        text = "absent -> present" if came else "present -> absent"
        advice = "Nothing where clients accept JSON; else see the media types." if came else "Speak JSON."
        yield Change("additive", "protobuf schema", text, advice, words=("protobuf",))
        return
    before, after = _leaves(older), _leaves(newer)
    for root in sorted(before.keys() | after.keys()):
        if root not in CARRIERS:
            continue
        known, found = before.get(root, {}), after.get(root, {})
        for number in sorted(known.keys() | found.keys()):
            if number[:-1] and (number[:-1] in known) != (number[:-1] in found):
                continue  # a part of a message that comes or goes
            yield from _leaf(root, known.get(number), found.get(number))


def _leaf(root: str, before: Leaf | None, after: Leaf | None) -> Iterator[Change]:
    if before == after:
        return
    path, _, _ = after or before or ("", "", "")
    place, operations = f"message {root}: {path}", CARRIERS[root]
    words = (path.rpartition(".")[2],)
    asked = root.endswith("Request")
    if before is None and after is not None:
        advice = "Read it where it is there." if asked else "Write it where there is something to say."
        yield Change("additive", place, f"absent -> {after[1]}", advice, operations, words)
    elif before is not None and after is None:
        advice = "Do not wait for it." if asked else "Nothing: clients skip it."
        yield Change(
            "additive" if asked else "compatible", place, f"{before[1]} -> absent", advice, operations
        )
    elif before and after and before[1:] != after[1:]:
        text = f"{before[2]} {before[1]} -> {after[2]} {after[1]}"
        yield Change("breaking", place, text, "Read and write the new type.", operations, words)


def _leaves(schema: str) -> dict[str, dict[tuple[int, ...], Leaf]]:
    """Fields of each message of the outermost level, by the numbers that lead to them."""
    file = FileDescriptorProto.FromString(bytes.fromhex(schema))
    messages: dict[str, DescriptorProto] = {}
    waiting = [(f".{file.package}", message) for message in file.message_type]
    while waiting:
        scope, message = waiting.pop()
        messages[f"{scope}.{message.name}"] = message
        waiting += [(f"{scope}.{message.name}", nested) for nested in message.nested_type]
    enums = {
        f".{file.package}.{each.name}": "enum of "
        + ", ".join(f"{value.number} {value.name}" for value in each.value)
        for each in file.enum_type
    }
    return {message.name: dict(_walk(message, messages, enums, (), "")) for message in file.message_type}


def _walk(
    message: DescriptorProto,
    messages: Mapping[str, DescriptorProto],
    enums: Mapping[str, str],
    numbers: tuple[int, ...],
    path: str,
) -> Iterator[tuple[tuple[int, ...], Leaf]]:
    for part in message.field:
        here, name = (*numbers, part.number), f"{path}.{part.name}" if path else part.name
        inner = messages.get(part.type_name)
        plain = FieldDescriptorProto.Type.Name(part.type).removeprefix("TYPE_").lower()
        kind = "message" if inner is not None else enums.get(part.type_name, plain)
        label = "repeated" if part.label == FieldDescriptorProto.LABEL_REPEATED else "single"
        yield here, (name, kind, label)
        if inner is not None:
            yield from _walk(inner, messages, enums, here, name)


def call_changes(older: Sequence[str], newer: Sequence[str], seen: frozenset[str]) -> Iterator[Change]:
    """Paths that come and go; not those of operations in `seen`, which were observed."""
    for call in sorted(set(newer) - set(older)):
        name = operation_of_call(call)
        if name not in seen:
            text, advice = f"{call}: new", "Serve it for programs that use it; older ones do not call it."
            yield Change("additive", f"operation {name}", text, advice, (name,), (name,))
    for call in sorted(set(older) - set(newer)):
        name = operation_of_call(call)
        if name not in seen:
            text, advice = f"{call}: not called any more", "Keep it for older clients."
            yield Change("additive", f"operation {name}", text, advice, (name,))


def method_changes(older: Shape, newer: Shape) -> Iterator[Change]:
    """What differs in the public methods: it concerns programs, no server."""
    before, after = older["methods"], newer["methods"]
    come = sorted(after.keys() - before.keys())
    if come:
        yield Change(
            "compatible", "public methods", f"new: {', '.join(come)}", "Nothing: programs may use them."
        )
    for name in sorted(before.keys() - after.keys()):
        yield Change("breaking", f"method {name}", "gone", "Programs that call it have to call another.")
    for name in sorted(before.keys() & after.keys()):
        yield from _parameters(name, before[name], after[name])


def _parameters(method: str, before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[Change]:
    for name in sorted(before.keys() | after.keys()):
        place, old, new = f"method {method}({name})", before.get(name), after.get(name)
        if old == new:
            continue
        if new is None:
            yield Change("breaking", place, f"{old} -> absent", "Programs must not pass it any more.")
        elif new == "required":
            yield Change("breaking", place, f"{old or 'absent'} -> required", "Programs have to pass it.")
        else:
            text = f"{old or 'absent'} -> default {new}"
            yield Change("compatible", place, text, "Nothing: programs may pass it, and need not.")
