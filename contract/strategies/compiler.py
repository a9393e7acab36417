"""`compile_type`: from pydantic's core schema of a type to its `Form`.

Source: the schemas of pydantic_core 2.4x, `pydantic_core.core_schema`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter

from contract.model import Since, Until
from contract.strategies.check import Check, Tally
from contract.strategies.checked_forms import CheckedForm, OverriddenForm, RenamedForm
from contract.strategies.choice_forms import AnyForm, NullableForm
from contract.strategies.container_forms import DictForm, ListForm, TupleForm
from contract.strategies.field_forms import Field, FieldsForm, Path
from contract.strategies.form import Form
from contract.strategies.json_form import JsonTextForm
from contract.strategies.leaf_kinds import LEAVES, Schema
from contract.strategies.overrides import Override, Overrides
from contract.strategies.part import Part, UnknownType
from contract.strategies.text_forms import TextForm
from contract.strategies.union_forms import TaggedForm, UnionForm
from contract.versions import SdkVersion

__all__ = ["Compiler"]

LIST_KINDS = {"list": "list", "set": "set", "frozenset": "frozen_set", "generator": "iterable"}
WRAPPED = {"function-before", "function-after", "function-wrap"}
FIELDS = {"model-fields", "typed-dict", "dataclass-args"}


@dataclass
class Compiler:
    """Compiles one type; keeps what its parts refer to."""

    overrides: Overrides
    version: SdkVersion | None = None
    """The SDK release whose fields there are; None for all."""
    definitions: dict[str, Schema] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    """Of every check, by the part it judges."""
    _made: dict[tuple[str, int], Form | None] = field(default_factory=dict)

    def compiled(self, adapter: TypeAdapter[Any], name: str) -> Form:
        """The form of an adapter's type.

        Raises:
            UnknownType: naming the part that has no JSON form, or that contains itself without end.
        """
        form = self.form(dict(adapter.core_schema), Part(name))  # a plain one: of deferred types it is none
        if form is None:
            raise UnknownType(f"{name}: expected a type with a smallest value, got one that contains itself")
        return form

    def form(self, schema: Any, part: Part) -> Form | None:
        """The form of one part; None where the recursion has to end."""
        kind = schema["type"]
        override = self.overrides.types.get(schema.get("cls"))
        if override is not None:
            return self._overridden(schema, part, override)
        if kind in LEAVES:
            leaf = LEAVES[kind](schema, part)
            needs_check = kind in ("str", "decimal") and _is_checked(schema, part)
            return CheckedForm(leaf, self._check(schema, part)) if needs_check else leaf
        return self._composed(kind, schema, part)

    def _composed(self, kind: str, schema: Schema, part: Part) -> Form | None:
        if kind in FIELDS:
            return self._fields(schema, part)
        if kind in LIST_KINDS:
            return self._list(schema, part, LIST_KINDS[kind])
        if kind in WRAPPED:
            return self._judged(schema["schema"], schema, part)
        match kind:
            case "model" | "dataclass":
                return self.form(schema["schema"], part.inside(schema["cls"], schema.get("config")))
            case "default":
                return self.form(schema["schema"], part)
            case "nullable":
                return NullableForm(self.form(schema["schema"], part))
            case "definitions":
                self.definitions.update({found["ref"]: found for found in schema["definitions"]})
                return self.form(schema["schema"], part)
            case "definition-ref":
                return self._referred(schema["schema_ref"], part)
            case "dict":
                return self._dict(schema, part)
            case "tuple":
                return self._tuple(schema, part)
            case "union":
                return self._union(schema, part)
            case "tagged-union":
                return self._tagged(schema, part)
        return self._rare(kind, schema, part)

    def _rare(self, kind: str, schema: Schema, part: Part) -> Form | None:
        match kind:
            case "json":
                inner = self.form(schema["schema"], part) if "schema" in schema else LEAVES["any"]({}, part)
                return None if inner is None else JsonTextForm(inner)
            case "json-or-python":
                return self.form(schema["json_schema"], part)
            case "lax-or-strict":
                is_strict = part.setting(schema, "strict", False)
                return self.form(schema["strict_schema" if is_strict else "lax_schema"], part)
            case "chain":
                return self._judged(schema["steps"][0], schema, part)
            case "custom-error":
                inner = self.form(schema["schema"], part)
                return None if inner is None else RenamedForm(inner, schema["custom_error_type"])
            case "function-plain":
                stated = schema.get("json_schema_input_schema", {"type": "any"})
                if stated["type"] != "any":
                    return self._judged(stated, schema, part)
            case (
                "missing-sentinel"
            ):  # around what the field has else, since pydantic 2.14; a branch of its own before
                return self.form(schema["schema"], part) if "schema" in schema else None
        raise UnknownType(
            f"{part.name}: expected a type that JSON can carry, got pydantic's {kind!r}; "
            "give it an override: overrides.with_field(owner, name, strategy)"
        )

    def _check(self, schema: Schema, part: Part, what: str = "") -> Check:
        name = f"{part.name}{what}"
        tally = self.tallies.setdefault(name, Tally())
        return Check.of(name, schema, list(self.definitions.values()), part.config, tally)

    def _judged(self, inner: Schema, schema: Schema, part: Part) -> Form | None:
        form = self.form(inner, part)
        function = schema.get("function", {}).get("function")
        what = f" ({function.__name__})" if hasattr(function, "__name__") else ""
        return None if form is None else CheckedForm(form, self._check(schema, part, what))

    def _overridden(self, schema: Schema, part: Part, override: Override) -> Form | None:
        plain = Compiler(_without(self.overrides, override), self.version, self.definitions, self.tallies)
        try:
            inner = plain.form(schema, part)
        except UnknownType:
            inner = None
        return OverriddenForm(inner, override, self._check(schema, part))

    def _referred(self, ref: str, part: Part) -> Form | None:
        schema = self.definitions[ref]
        if ref in self._reachable(schema):
            if not part.depth:
                return None
            part = part.deeper()
        if (ref, part.depth) not in self._made:
            self._made[ref, part.depth] = self.form(schema, part)
        return self._made[ref, part.depth]

    def _reachable(self, schema: Schema) -> set[str]:
        """Every definition that a schema leads to."""
        known: set[str] = set()
        waiting = list(_refs(schema))
        while waiting:
            ref = waiting.pop()
            if ref not in known:
                known.add(ref)
                waiting.extend(_refs(self.definitions[ref]))
        return known

    def _list(self, schema: Schema, part: Part, kind: str) -> Form | None:
        item = (
            self.form(schema["items_schema"], part) if "items_schema" in schema else LEAVES["any"]({}, part)
        )
        fewest = schema.get("min_length", 0)
        return None if item is None and fewest else ListForm(item, fewest, schema.get("max_length"), kind)

    def _dict(self, schema: Schema, part: Part) -> Form | None:
        key = self.form(schema["keys_schema"], part) if "keys_schema" in schema else None
        if isinstance(key, AnyForm) or "keys_schema" not in schema:
            key = TextForm()
        value = (
            self.form(schema["values_schema"], part) if "values_schema" in schema else LEAVES["any"]({}, part)
        )
        fewest = schema.get("min_length", 0)
        if key is None or (value is None and fewest):
            return None
        return DictForm(key, value, fewest, schema.get("max_length"))

    def _tuple(self, schema: Schema, part: Part) -> Form | None:
        forms = [self.form(item, part) for item in schema["items_schema"]]
        if "variadic_item_index" in schema:  # pydantic makes no tuple of one item and many others
            return ListForm(forms[0], schema.get("min_length", 0), schema.get("max_length"), "tuple")
        known = tuple(form for form in forms if form is not None)
        return TupleForm(known) if len(known) == len(forms) else None

    def _union(self, schema: Schema, part: Part) -> Form | None:
        branches: dict[str, Form] = {}
        for choice in schema["choices"]:
            inner, label = choice if isinstance(choice, tuple) else (choice, None)
            form = self.form(inner, part)
            if form is not None:
                branches[label or self._check(inner, part, " (branch)").validator.title] = form
        return UnionForm(branches, self._check(schema, part)) if branches else None

    def _tagged(self, schema: Schema, part: Part) -> Form | None:
        forms = {
            str(getattr(tag, "value", tag)): self.form(inner, part)
            for tag, inner in schema["choices"].items()
        }
        branches = {tag: form for tag, form in forms.items() if form is not None}
        key = schema["discriminator"]
        while isinstance(key, list):
            key = key[0]
        found = key if isinstance(key, str) else None
        return TaggedForm(branches, self._check(schema, part), found) if branches else None

    def _fields(self, schema: Schema, part: Part) -> Form | None:
        kind = schema["type"]
        if kind == "typed-dict":
            part = part.inside(schema["cls"], schema.get("config")) if "cls" in schema else part
        fields: list[Field] = []
        for name, each in _named(schema["fields"]):
            made = self._field(name, each, schema, part) if self._has(part.owner, name) else None
            if made is not None:
                fields.append(made)
            elif _is_required(each, schema, part) and self._has(part.owner, name):
                return None
        extra = schema.get("extra_behavior", part.config.get("extra_fields_behavior", "ignore"))
        error = {"model-fields": "model_type", "typed-dict": "dict_type"}.get(kind, "dataclass_type")
        extra_error = "unexpected_keyword_argument" if kind == "dataclass-args" else "extra_forbidden"
        return FieldsForm(tuple(fields), error, extra_error if extra == "forbid" else None)

    def _field(self, name: str, each: Schema, schema: Schema, part: Part) -> Field | None:
        if each.get("init") is False:
            return None
        override = self._override_of(part.owner, name)
        inside = part.of_field(name)
        form = (
            self.form(each["schema"], inside)
            if override is None
            else self._overridden(each["schema"], inside, override)
        )
        if form is None:
            return None
        return Field(name, form, _is_required(each, schema, part), _paths(name, each, part))

    def _override_of(self, owner: Any, name: str) -> Override | None:
        for kind in getattr(owner, "__mro__", ()):
            if (kind, name) in self.overrides.fields:
                return self.overrides.fields[kind, name]
        return None

    def _has(self, owner: Any, name: str) -> bool:
        """Whether the release that is compiled for has a field; required ones are always there."""
        info = getattr(owner, "model_fields", {}).get(name) if self.version is not None else None
        if info is None or self.version is None or info.is_required():
            return True
        marks = info.metadata
        return not any(
            (isinstance(mark, Since) and self.version < SdkVersion.parse(mark.version))
            or (isinstance(mark, Until) and self.version > SdkVersion.parse(mark.version))
            for mark in marks
        )


def _is_checked(schema: Schema, part: Part) -> bool:
    """Whether a text or a decimal has rules that its form draws only nearly."""
    rules = ("pattern", "strip_whitespace", "to_lower", "to_upper", "max_digits")
    return any(schema.get(rule, part.config.get(f"str_{rule}")) for rule in rules)


def _without(overrides: Overrides, override: Override) -> Overrides:
    """The overrides but one, for the schema below it."""
    types = {kind: each for kind, each in overrides.types.items() if each is not override}
    return Overrides(types, overrides.fields)


def _refs(schema: Any) -> Iterator[str]:
    """Every reference in a schema, however deep."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "definition-ref":
            yield schema["schema_ref"]
        for name, value in schema.items():
            if name not in ("serialization", "metadata", "function"):
                yield from _refs(value)
    elif isinstance(schema, list | tuple):
        for value in schema:
            yield from _refs(value)


def _named(fields: Any) -> list[tuple[str, Schema]]:
    """Fields by name: dataclasses list them."""
    return list(fields.items()) if isinstance(fields, Mapping) else [(each["name"], each) for each in fields]


def _is_required(each: Schema, schema: Schema, part: Part) -> bool:
    if each["type"] == "typed-dict-field":
        total = schema.get("total", part.config.get("typed_dict_total", True))
        return bool(each.get("required", total))
    inner = each["schema"]
    while inner["type"] in WRAPPED:
        inner = inner["schema"]
    return bool(inner["type"] != "default")


def _paths(name: str, each: Schema, part: Part) -> tuple[Path, ...]:
    """Every place of a field: its aliases, and its name where pydantic takes it."""
    alias = each.get("validation_alias")
    by_name = part.config.get("validate_by_name", part.config.get("populate_by_name", False))
    if alias is None or not part.config.get("validate_by_alias", True):
        return ((name,),)
    paths = (
        [(alias,)]
        if isinstance(alias, str)
        else [tuple(alias)]
        if not isinstance(alias[0], list)
        else map(tuple, alias)
    )
    return tuple(dict.fromkeys([*paths, *([(name,)] if by_name else [])]))
