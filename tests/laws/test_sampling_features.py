"""A server that refuses samples lacks what laws of samples need."""

import pytest

from contract.laws import Skipped
from contract.laws.features import require
from contract.laws.subject import Subject


def test_a_refused_sample_is_the_reason_why_a_feature_is_not_there(subject):
    other = Subject(subject.driver, "nobody/nothing")

    with pytest.raises(Skipped, match="sampling: create_sampling_session: expected 200, got 4"):
        require(other, "sampling")
