"""Core schemas without parts, and the forms they become."""

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from pydantic import ValidationError
from pydantic_core import SchemaValidator, to_json

from contract.strategies.choice_forms import AnyForm, ChoiceForm, NullForm
from contract.strategies.form import Form
from contract.strategies.number_forms import BooleanForm, Bounds, DecimalForm, FloatForm, IntegerForm
from contract.strategies.part import Part
from contract.strategies.text_forms import BytesForm, TextForm, UrlForm, UuidForm
from contract.strategies.time_forms import DateForm, DurationForm, MomentForm, TimeForm

__all__ = ["LEAVES"]

Schema = Mapping[str, Any]


def _integer(schema: Schema, part: Part) -> Form:
    return IntegerForm(Bounds.of(schema), bool(part.setting(schema, "strict")))


def _float(schema: Schema, part: Part) -> Form:
    return FloatForm(Bounds.of(schema), bool(part.setting(schema, "strict")))


def _decimal(schema: Schema, _: Part) -> Form:
    return DecimalForm(Bounds.of(schema), schema.get("decimal_places"), schema.get("max_digits"))


def _boolean(schema: Schema, part: Part) -> Form:
    return BooleanForm(bool(part.setting(schema, "strict")))


def _text(schema: Schema, part: Part) -> Form:
    def setting(name: str, default: Any) -> Any:
        return schema.get(name, part.config.get(f"str_{name}", default))

    pattern = schema.get("pattern")
    return TextForm(
        setting("min_length", 0),
        setting("max_length", None),
        getattr(pattern, "pattern", pattern),
        is_stripped=setting("strip_whitespace", False),
        takes_numbers=bool(part.setting(schema, "coerce_numbers_to_str")),
    )


def _bytes(schema: Schema, part: Part) -> Form:
    written = part.config.get("val_json_bytes", "utf8")
    return BytesForm(schema.get("min_length", 0), schema.get("max_length"), written)


def _literal(schema: Schema, _: Part) -> Form:
    """Members of an enum among other choices are left out where JSON cannot say them."""
    judge: Any = SchemaValidator({"type": "literal", "expected": list(schema["expected"])})
    choices = [_plain(choice) for choice in schema["expected"]]
    return ChoiceForm(tuple(choice for choice in choices if _takes(judge, choice)), "literal_error")


def _takes(judge: SchemaValidator, choice: Any) -> bool:
    try:
        judge.validate_json(to_json(choice))
    except ValidationError:
        return False
    return True


def _enum(schema: Schema, _: Part) -> Form:
    return ChoiceForm(tuple(_plain(member) for member in schema["members"]), "enum")


def _plain(choice: Any) -> Any:
    return choice.value if isinstance(choice, Enum) else choice


def _url(schema: Schema, _: Part) -> Form:
    schemes = tuple(schema.get("allowed_schemes") or ("http", "https"))
    return UrlForm(schemes, schema.get("max_length"), is_any="allowed_schemes" not in schema)


def _moment(schema: Schema, part: Part) -> Form:
    is_strict = bool(part.setting(schema, "strict"))
    return MomentForm(Bounds.of(schema), schema.get("tz_constraint"), schema.get("now_op"), is_strict)


def _date(schema: Schema, part: Part) -> Form:
    return DateForm(Bounds.of(schema), schema.get("now_op"), bool(part.setting(schema, "strict")))


LEAVES: Mapping[str, Callable[[Schema, Part], Form]] = {
    "any": lambda *_: AnyForm(),
    "bool": _boolean,
    "bytes": _bytes,
    "date": _date,
    "datetime": _moment,
    "decimal": _decimal,
    "enum": _enum,
    "float": _float,
    "int": _integer,
    "literal": _literal,
    "multi-host-url": _url,
    "none": lambda *_: NullForm(),
    "str": _text,
    "time": lambda schema, _: TimeForm(Bounds.of(schema)),
    "timedelta": lambda schema, _: DurationForm(Bounds.of(schema)),
    "url": _url,
    "uuid": lambda schema, _: UuidForm(schema.get("version")),
}
"""By the schema's type."""
