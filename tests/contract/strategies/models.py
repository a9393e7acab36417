"""The types that strategies are tried on: those of the contract, and types from elsewhere."""

import inspect
from dataclasses import dataclass as plain_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, NotRequired, TypeVar
from uuid import UUID

from pydantic import (
    UUID4,
    AfterValidator,
    AliasChoices,
    AliasPath,
    AnyUrl,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    FutureDate,
    HttpUrl,
    Json,
    JsonValue,
    NaiveDatetime,
    PastDatetime,
    RootModel,
    StringConstraints,
    Tag,
    conint,
    field_validator,
    model_validator,
)
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict

import contract

CONTRACT_MODELS = [
    kind
    for kind in (getattr(contract, name) for name in contract.__all__)
    if inspect.isclass(kind) and issubclass(kind, BaseModel)
]
T = TypeVar("T")


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Numbers(BaseModel):
    count: conint(ge=3, multiple_of=5) = 5
    small: int = Field(gt=-2, lt=2)
    share: float = Field(ge=0, le=1)
    open_share: float = Field(gt=0, lt=1)
    step: float = Field(multiple_of=0.5, ge=1)
    price: Decimal = Field(ge=0, le=100, decimal_places=2)
    digits: Decimal = Field(gt=0, max_digits=4, decimal_places=1)
    finite: float = Field(allow_inf_nan=False)


class Texts(BaseModel):
    model_config = ConfigDict(str_strip_whitespace=True, extra="forbid")

    code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-\d{3}$")]
    name: str = Field(min_length=2, max_length=5)
    note: str = ""
    raw: bytes = Field(default=b"", max_length=4)
    at_least: bytes = Field(b"ab", min_length=2)


class Times(BaseModel):
    day: date = Field(ge=date(2020, 1, 1), lt=date(2021, 1, 1))
    moment: datetime
    aware: AwareDatetime
    naive: NaiveDatetime
    past: PastDatetime
    future: FutureDate
    hour: time
    lasts: timedelta = Field(ge=timedelta(seconds=1))
    after: datetime = Field(default=datetime(2024, 1, 1), gt=datetime(2020, 1, 1), lt=datetime(2030, 1, 1))


class Others(BaseModel):
    colour: Colour
    level: Level
    choice: Literal["a", 1, True, None, Colour.RED]
    uuid: UUID
    uuid4: UUID4
    link: HttpUrl
    any_link: AnyUrl
    anything: Any
    text_of_json: Json[list[int]]
    json_of_any: Json
    value: JsonValue
    nothing: None


class Containers(BaseModel):
    some: list[int] = Field(min_length=1, max_length=3)
    unique: set[str] = Field(max_length=3)
    frozen: frozenset[int] = frozenset()
    pair: tuple[int, str]
    many: tuple[float, ...] = Field(default=(), min_length=1)
    by_name: dict[str, list[int]] = Field(min_length=1)
    by_number: dict[int, bool] = {}
    by_code: dict[Annotated[str, Field(min_length=2)], int] = {}
    loose: list[Any] = []
    bare: list = []
    bare_dict: dict = {}


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = Field(9, ge=1, le=9)


class Dog(BaseModel):
    kind: Literal["dog", "hound"]
    name: str


class Pets(BaseModel):
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    favourite: Cat | Dog | None = None
    number_or_text: int | str
    texts_or_numbers: list[int] | dict[str, int]


def size_of(value: Any) -> str:
    return "big" if isinstance(value, dict) and "volume" in value else "little"


class Big(BaseModel):
    volume: int


class Little(BaseModel):
    weight: int = 0


class Sized(BaseModel):
    thing: Annotated[Annotated[Big, Tag("big")] | Annotated[Little, Tag("little")], Discriminator(size_of)]


class Tree(BaseModel):
    label: str
    children: list["Tree"] = []
    by_name: dict[str, "Tree"] = {}
    left: "Tree | None" = None


class Page(BaseModel, Generic[T]):
    items: list[T]
    next_page: int | None = None


class Aliased(BaseModel):
    model_config = ConfigDict(validate_by_name=True, extra="forbid")

    one: int = Field(validation_alias="uno")
    two: int = Field(2, validation_alias=AliasChoices("dos", "deux"))


class Pathed(BaseModel):
    deep: int = Field(validation_alias=AliasPath("outer", "inner", 1))
    either: str = Field("x", validation_alias=AliasChoices("plain", AliasPath("nested", "either")))


class Word(RootModel[Annotated[str, Field(min_length=1)]]):
    pass


class Sentence(BaseModel):
    words: list[Word]


@dataclass
class Point:
    x: int
    y: int = Field(0, ge=0)


@dataclass(config=ConfigDict(extra="forbid"))
class Line:
    start: Point
    end: Point | None = None


@plain_dataclass
class Plain:
    name: str
    size: int = 1


class Settings(TypedDict):
    verbose: bool
    level: NotRequired[Annotated[int, Field(le=5)]]


class Strict(BaseModel):
    model_config = ConfigDict(strict=True)

    number: int
    share: float
    flag: bool
    when: date
    moment: datetime


class Checked(BaseModel):
    even: Annotated[int, AfterValidator(lambda n: n if n % 2 == 0 else n + 1)]
    trimmed: Annotated[str, BeforeValidator(lambda text: text.strip() if isinstance(text, str) else text)]
    doubled: list[int]

    @field_validator("doubled", mode="wrap")
    @classmethod
    def double(cls, value, handler):
        return handler(value) * 2

    @model_validator(mode="after")
    def always_true(self):
        return self


FOREIGN = [
    Numbers,
    Texts,
    Times,
    Others,
    Containers,
    Pets,
    Sized,
    Tree,
    Page[Cat],
    Page[int],
    Aliased,
    Pathed,
    Sentence,
    Point,
    Line,
    Plain,
    Settings,
    Strict,
    Checked,
    list[Annotated[int, Field(ge=7)]],
    dict[str, Cat] | None,
]
