"""A server that refuses samples lacks what laws of samples need."""

from contract.laws.features import FEATURES
from contract.laws.subject import Subject


def test_a_refused_sample_is_the_reason_why_a_feature_is_not_there(subject):
    other = Subject(subject.driver, "nobody/nothing")

    assert "create_sampling_session: expected 200, got 4" in (FEATURES["sampling"](other) or "")
