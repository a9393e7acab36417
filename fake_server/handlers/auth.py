"""Keys and tokens."""

from contract import (
    ApiKeyDetails,
    ApiKeyResponse,
    AuthTokenRequest,
    AuthTokenResponse,
    EmptyRequest,
    OrgDetails,
    UserDetails,
)
from fake_server.auth import EMAIL, ORGANISATION, issue_token, key_hash
from fake_server.service import Call


def auth_token(call: Call, _request: AuthTokenRequest) -> AuthTokenResponse:
    """A token for the key."""
    return issue_token(call.service)


def get_api_key(_call: Call, _request: EmptyRequest) -> ApiKeyResponse:
    """The key, described: every key belongs to the fake's one user."""
    return ApiKeyResponse(
        key_id=1,
        name="fake",
        note="a key of a tinkerproof server",
        details=ApiKeyDetails(
            org_details=OrgDetails(name=ORGANISATION), user_details=UserDetails(email=EMAIL)
        ),
    )


def delete_api_key(call: Call, _request: EmptyRequest) -> None:
    """Revoke the key in this tenant."""
    call.service.revoked_keys.add(key_hash(call.credential))
