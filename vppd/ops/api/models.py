"""Bodies of requests and answers: what the OpenAPI document says of them comes from here.

Answers whose content is the plant's own (status, events, explanations) are open objects.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _whole(value: Any) -> Any:
    """Give 2 for 2.0: to JSON they are one number."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Why = Annotated[str, Field(min_length=3, max_length=300, description="reason, for the journal")]
Name = Annotated[str, Field(min_length=1, max_length=64)]
Names = Annotated[list[Name], Field(max_length=10_000)]
Mw = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
MwUp = Annotated[float, Field(ge=0.0, le=1e6, allow_inf_nan=False)]
Number = Annotated[int, Field(ge=0, le=2**53), BeforeValidator(_whole)]


Verb = Literal[
    "acknowledge", "shelve", "unshelve", "remove_from_service", "return_to_service"
]  # fmt: skip


class Body(BaseModel):
    """Base of what comes in: nothing unknown, nothing guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Login(Body):
    """Name and password."""

    name: Name
    password: Annotated[str, Field(min_length=1, max_length=1024)]


class OrderBody(Body):
    """An order; which keys a kind takes is said in docs/api.md."""

    kind: Literal[
        "hold", "lock_out", "bench", "unbench", "release", "mode", "capacity", "accept_plan",
        "emergency_stop", "cancel",
    ]  # fmt: skip
    units: Names | None = None
    groups: Names | None = None
    p_mw: Mw | None = Field(default=None, description="sum of the units; absent: as they stand")
    expires_in_s: Annotated[float, Field(ge=1.0, le=366 * 86400.0)] | None = None
    mode: Literal["AUTO", "LOCAL", "SAFE"] | None = None
    up_mw: MwUp | None = None
    down_mw: MwUp | None = None
    plan: Number | None = None
    number: Number | None = None


class Confirmation(Body):
    """What puts an order in force whose effect was shown."""

    confirmation: Annotated[str, Field(min_length=1, max_length=100)]
    why: Why


class PlanBody(Body):
    """A plan that is proposed."""

    basepoint_mw: dict[Name, Mw] = Field(description="of every unit of the fleet")
    up_mw: MwUp
    down_mw: MwUp
    why: Why


class Me(BaseModel):
    """Who asks."""

    name: str
    role: str
    users: bool = Field(description="whether anybody can log in")


class Offer(BaseModel):
    """An order with its effect."""

    words: str
    effect: dict[str, Any]
    effect_words: list[str]
    confirmation: str
    valid_s: float


class GivenOrder(BaseModel):
    """An order that is in force."""

    number: int
    order: str


class Problem(BaseModel):
    """Why not."""

    detail: Any


class AlarmBody(Body):
    """Why something is done about an alarm, and for how long."""

    why: Annotated[str, Field(max_length=200)] = ""
    for_s: Annotated[float, Field(gt=0.0, le=1e7, allow_inf_nan=False)] | None = Field(
        default=None, description="of shelve"
    )


class Acted(BaseModel):
    """What was done about an alarm."""

    alarm: str
    verb: str
