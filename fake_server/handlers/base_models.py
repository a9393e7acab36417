"""Base models as requests name them."""

from contract import BadRequest, BaseModelInfo, split_base_model
from fake_server.service import Service


def trainable(service: Service, name: str) -> BaseModelInfo:
    """The base model called `name`, to train an adapter on.

    Raises:
        BadRequest: if none is named, there is none of that name, or it can only be sampled from.
    """
    base = _named(service, name)
    if not base.trainable:
        raise BadRequest(f"base_model: expected one that can be trained, got {name!r}, which cannot")
    return base


def sampleable(service: Service, name: str) -> BaseModelInfo:
    """The base model called `name`, to sample from.

    Raises:
        BadRequest: if none is named, there is none of that name, or it can only be trained.
    """
    base = _named(service, name)
    if not base.sampleable:
        raise BadRequest(f"base_model: expected one that can be sampled from, got {name!r}, which cannot")
    return base


def _named(service: Service, name: str) -> BaseModelInfo:
    if not name:
        raise BadRequest("base_model is required")
    return service.base_model(name)


def check_same(wanted: str, has: str, path: str) -> None:
    """Refuse a base model that the weights at `path` are not for; its context may be another.

    Raises:
        BadRequest: naming both.
    """
    if wanted == has:
        return
    try:
        same = split_base_model(wanted)[0] == split_base_model(has)[0]
    except ValueError as error:
        raise BadRequest(str(error)) from None
    if not same:
        raise BadRequest(f"base_model: expected {has!r}, as {path} has, got {wanted!r}")
