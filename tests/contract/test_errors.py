import pytest

from contract import errors
from contract.errors import STATUSES, ApiError, RequestErrorCategory, RequestFailure

ANSWERS = [kind for kind in ApiError.__subclasses__() if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", ANSWERS)
def test_every_answer_has_a_status_of_the_table(kind):
    answer = kind("no model 'm'; create one", headers={"Retry-After": "1"})
    assert answer.status in STATUSES
    assert (answer.detail, str(answer)) == ("no model 'm'; create one",) * 2
    assert answer.headers == {"Retry-After": "1"}


def test_every_answer_is_public():
    assert {kind.__name__ for kind in ANSWERS} <= set(errors.__all__)
    assert ApiError("x").headers == {}


def test_no_answer_has_a_status_that_clients_retry_for_minutes():
    assert {kind.status for kind in ANSWERS}.isdisjoint({402, 408, 409, 500, 501})


def test_a_failure_is_the_users_unless_it_says_otherwise():
    assert RequestFailure("x").category is RequestErrorCategory.User
    failure = RequestFailure("x", RequestErrorCategory.Server)
    assert (str(failure), failure.error, failure.category.value) == ("x", "x", "server")
