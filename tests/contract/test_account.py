import pytest
from pydantic import ValidationError

from contract.account import (
    AuditLogRequest,
    BillingUsageEvent,
    ClientConfigResponse,
    ClientDynamicConfigResponse,
    SamplingPrefillBillingEvent,
    StorageBillingEvent,
)

HOUR = {"bucket_start": "2026-01-01T00:00:00Z", "bucket_end": "2026-01-01T01:00:00Z"}


@pytest.mark.sdk
@pytest.mark.parametrize("kind", [ClientConfigResponse, ClientDynamicConfigResponse])
def test_a_client_takes_our_flags_for_its_own_defaults(kind):
    from tinker import types

    theirs = getattr(types, kind.__name__)
    assert theirs(**kind().model_dump()) == theirs()


@pytest.mark.parametrize(
    ("info", "kind"),
    [
        ({"type": "sampling_prefill", "cached": True, "token_count": 3}, SamplingPrefillBillingEvent),
        ({"type": "storage", "gigabyte_hours": 0.5}, StorageBillingEvent),
    ],
)
def test_usage_is_known_by_its_type(info, kind):
    assert isinstance(BillingUsageEvent.model_validate({**HOUR, "event_info": info}).event_info, kind)


def test_a_day_of_the_audit_log_is_a_date():
    assert AuditLogRequest.model_validate({"day": "2026-01-31"}).day.day == 31
    with pytest.raises(ValidationError, match="day"):
        AuditLogRequest.model_validate({"day": "2026-02-31"})
