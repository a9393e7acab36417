"""Who may call: API keys, and tokens that are exchanged for them.

Source: sdk 0.38.0 lib/_jwt_auth.py (claims, and the header that makes a client fetch a new token).
"""

from functools import lru_cache
from hashlib import blake2b

from contract import AuthTokenResponse, Operation, Unauthorized
from contract.operations import AUTH_TOKEN, CLIENT_CONFIG, DELETE_API_KEY, GET_API_KEY, Endpoint
from fake_server.service import Service

__all__ = ["OWNER", "check_credential", "issue_token", "key_hash"]

KEY_PREFIX = "tml-"
TOKEN_PREFIX = "eyJ"
OWNER = "tml:user:fake"
ORGANISATION = "fake"
EMAIL = "user@tinkerproof.invalid"
INVALID_TOKEN = {"www-authenticate": 'Bearer error="invalid_token"'}
WITH_KEY = {row.name for row in (CLIENT_CONFIG, AUTH_TOKEN, GET_API_KEY, DELETE_API_KEY)}
"""Operations that carry the key itself even where tokens are in use."""


def check_credential(service: Service, row: Endpoint, credential: str) -> None:
    """Let the request pass, or not.

    Raises:
        Unauthorized: if the credential is missing, unknown, revoked or expired.
    """
    if (isinstance(row, Operation) and row.open) or service.settings.auth.anybody:
        return
    if not credential:
        raise Unauthorized("header X-API-Key: expected an API key, got none; set TINKER_API_KEY")
    tokens = service.settings.client_config.pjwt_auth_enabled
    if tokens and credential.startswith(TOKEN_PREFIX):
        _check_token(service, credential)
    elif tokens and row.name not in WITH_KEY:
        raise Unauthorized(
            "header X-API-Key: expected a token from /api/v1/auth/token, got an API key",
            headers=INVALID_TOKEN,
        )
    else:
        _check_key(service, credential)


def _check_key(service: Service, key: str) -> None:
    accepted = service.settings.auth.api_keys
    known = key in accepted if accepted else key.startswith(KEY_PREFIX)
    if service.revoked_keys and key_hash(key) in service.revoked_keys:
        raise Unauthorized("header X-API-Key: expected a key that is in use, got one that was deleted")
    if not known:
        wanted = (
            "one of the keys given with --api-key" if accepted else f"a key that starts with {KEY_PREFIX}"
        )
        raise Unauthorized(f"header X-API-Key: expected {wanted}, got another of {len(key)} characters")


def key_hash(key: str) -> str:
    """What is kept of a key that was deleted: keys themselves are nowhere."""
    return blake2b(key.encode(), digest_size=16).hexdigest()


def issue_token(service: Service) -> AuthTokenResponse:
    """A signed token for the fake's one user."""
    import jwt

    now = service.clock.now()
    claims = {
        "sub": OWNER,
        "org_id": ORGANISATION,
        "email": EMAIL,
        "iat": int(now),
        "exp": int(now + service.settings.auth.token_seconds),
        "jti": service.ids.next("token"),
    }
    return AuthTokenResponse(jwt=jwt.encode(claims, service.ids.secret("token"), algorithm="HS256"))


def _check_token(service: Service, token: str) -> None:
    """Check signature and expiry, the latter on the tenant's clock."""
    import jwt

    try:
        expiry = _expiry(token, service.ids.secret("token"))
    except jwt.InvalidTokenError as error:
        raise Unauthorized(
            f"token: expected one of this server, got another: {error}", headers=INVALID_TOKEN
        ) from None
    if expiry <= service.clock.now():
        raise Unauthorized(
            "token: expected one that is still valid, got an expired one", headers=INVALID_TOKEN
        )


@lru_cache(maxsize=1024)
def _expiry(token: str, secret: bytes) -> float:
    """When a token that we signed expires; kept, since a client sends the same one with every request.

    Raises:
        InvalidTokenError: if we did not sign it.
    """
    import jwt

    claims = jwt.decode(
        token, secret, algorithms=["HS256"], options={"verify_exp": False, "verify_iat": False}
    )
    return float(claims["exp"])
