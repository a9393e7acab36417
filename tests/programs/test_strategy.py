import pytest
from hypothesis import find, given, settings

from contract.programs import (
    Await,
    CreateModel,
    CreateSession,
    ForwardBackward,
    LoadModel,
    OptimStep,
    Program,
    Replay,
    SaveWeights,
    UnpublishCheckpoint,
)
from contract.strategies.drafting import DRAFTS, Drafting
from contract.strategies.illegal_steps import FLAWS
from contract.strategies.programs import programs
from contract.strategies.sketch import Sketch
from contract.strategies.world import World

QUIETLY = settings(database=None, max_examples=200)


def shortest(*kinds: type) -> Program:
    """The simplest legal program that has steps of these kinds."""
    wanted = set(kinds)
    return find(programs(8, illegal=0), lambda p: {type(s) for s in p.steps} >= wanted, settings=QUIETLY)


def drafted(*sketches: Sketch) -> list:
    drafting = Drafting(flaws=FLAWS)
    return [drafting.step(sketch) for sketch in sketches]


@given(programs(7, min_steps=3))
def test_a_program_has_as_many_steps_as_asked(program):
    assert 3 <= len(program) <= 7


@pytest.mark.parametrize(
    ("kinds", "steps"),
    [
        ((CreateModel,), [CreateSession(), CreateModel()]),
        ((ForwardBackward,), [CreateSession(), CreateModel(), ForwardBackward()]),
    ],
)
def test_a_program_shrinks_to_what_its_step_needs(kinds, steps):
    assert list(shortest(*kinds).steps) == steps


def test_a_program_with_two_kinds_of_steps_shrinks_to_them_and_what_they_need():
    found = shortest(ForwardBackward, OptimStep)

    assert sorted(type(step).__name__ for step in found.steps) == [
        "CreateModel",
        "CreateSession",
        "ForwardBackward",
        "OptimStep",
    ]


@given(programs(illegal=0))
def test_a_program_that_does_nothing_wrong_replays_nothing_with_another_body(program):
    assert not any(isinstance(step, Replay) and step.changed for step in program.steps)


@given(programs(illegal=0, pipelined=False))
def test_a_program_that_is_not_pipelined_waits_for_every_result(program):
    assert all(getattr(step, "wait", True) for step in program.steps)


@given(programs(kinds=frozenset({"forward_backward"}), illegal=0))
def test_only_the_chosen_kinds_are_drawn_and_what_they_need(program):
    assert {step.op for step in program.steps} <= {"create_session", "create_model", "forward_backward"}


def test_a_share_or_a_kind_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match=r"illegal: expected a share from 0 to below 1, got 1\.5"):
        programs(illegal=1.5)
    with pytest.raises(ValueError, match=r"kinds: expected some of create_session, .*, got fly"):
        programs(kinds=frozenset({"fly"}))


@pytest.mark.parametrize("kind", [*DRAFTS, *FLAWS])
def test_every_kind_of_step_can_be_drafted_from_nothing(kind):
    drafting = Drafting(flaws=FLAWS)
    for choices in ((0, 0), (1, 7), (3, 2), (7, 7)):
        for _ in range(6):
            drafting.step(Sketch(kind, choices, {}))

    assert Program.of(*drafting.world.steps)


@pytest.mark.parametrize("kind", [*DRAFTS, *FLAWS])
def test_every_kind_of_step_can_be_drafted_where_much_is_there(kind):
    makers = (
        "create_session",
        "create_session",
        "create_model",
        "create_model",
        "save_weights",
        "create_sampler",
    )
    more = ("save_for_sampler", "publish_checkpoint", "optim_step", "load_model", "open_sampler")
    drafting = Drafting(flaws=FLAWS)
    for name in (*makers, *more):
        drafting.step(Sketch(name, (0, 7 if name == "optim_step" else 0), {}))
    for choices in ((number, number) for number in range(8)):
        drafting.step(Sketch(kind, choices, {}))

    assert Program.of(*drafting.world.steps)


def test_an_early_operation_leaves_a_place_that_the_next_one_takes():
    *_, early, next_ = drafted(
        Sketch("create_session"), Sketch("create_model"), Sketch("early"), Sketch("optim_step")
    )

    assert (early, next_) == (OptimStep(seq_id=2), OptimStep(seq_id=1))


def test_a_step_comes_behind_those_that_make_what_it_names():
    steps = Drafting().steps(Sketch("load_weights"))

    assert [step.op for step in steps] == ["create_session", "create_model", "save_weights", "load_weights"]
    assert len(find(programs(1, illegal=0, kinds=frozenset({"optim_step"}), whole=True), lambda _: True)) == 3


def test_what_no_new_model_has_room_for_is_not_made_for_ever():
    drafting = Drafting()
    for sketch in (
        Sketch("create_model", (0, 0), {"rank": 4}),
        Sketch("save_weights"),
        Sketch("unload_model", (0, 7)),
    ):
        drafting.steps(sketch)

    assert [step.op for step in drafting.steps(Sketch("load_weights"))] == ["create_model"] * 5


def test_what_nobody_waited_for_can_be_awaited():
    steps = drafted(
        Sketch("create_session"), Sketch("create_model"), Sketch("optim_step", (0, 6)), Sketch("await")
    )

    assert steps[2:] == [OptimStep(wait=False), Await(step=2)]


def test_a_model_of_a_checkpoint_is_like_the_one_that_was_saved():
    drafting = Drafting()
    for kind, fields in (("create_session", {}), ("create_model", {"rank": 4}), ("save_weights", {})):
        drafting.step(Sketch(kind, fields=fields))

    assert drafting.step(Sketch("load_model")) == LoadModel()
    assert drafting.world.rank_of(1) == drafting.world.rank_of(0)


def test_a_checkpoint_is_unpublished_once_it_is_public():
    *_, second, third = drafted(
        *(Sketch(kind) for kind in ("create_session", "create_model", "save_weights")),
        Sketch("unpublish_checkpoint"),
        Sketch("unpublish_checkpoint"),
    )

    assert (second.op, third) == ("publish_checkpoint", UnpublishCheckpoint())


@pytest.mark.parametrize("made", [CreateModel(), LoadModel()], ids=repr)
def test_a_model_waits_for_no_place_that_was_named_before_it_was_there(made):
    world = World()
    model = 1 if isinstance(made, LoadModel) else 0
    before = () if model == 0 else (CreateModel(), SaveWeights())
    for step in (CreateSession(), *before, OptimStep(model=model, seq_id=5), made):
        world.note(step)

    assert world.next_place(model) is None
    assert model not in world.last
