"""Flags, capabilities, health and telemetry."""

from contract import (
    ClientConfigRequest,
    ClientConfigResponse,
    ClientDynamicConfigResponse,
    EmptyRequest,
    HealthResponse,
    TelemetryResponse,
    TelemetrySendRequest,
)
from fake_server.service import Call
from fake_server.wire import Answer


def client_config(call: Call, _request: ClientConfigRequest) -> ClientConfigResponse:
    """The flags of the settings, for every client version: unknown ones are ignored there."""
    return call.service.settings.client_config


def client_dynamic_config(call: Call, _request: ClientConfigRequest) -> ClientDynamicConfigResponse:
    """The flags of the settings."""
    return call.service.settings.dynamic_config


def get_server_capabilities(call: Call, _request: EmptyRequest) -> Answer:
    """The backend's base models."""
    return call.service.capabilities


def healthz(_call: Call, _request: EmptyRequest) -> HealthResponse:
    """Always well: a server that is not does not answer."""
    return HealthResponse()


def telemetry(_call: Call, _request: TelemetrySendRequest) -> TelemetryResponse:
    """Taken and not kept: events can carry keys."""
    return TelemetryResponse()
