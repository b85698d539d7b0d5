"""The configuration: what it may hold (`model`), how it is read (`loading`, `text`), and what is wrong with it (`faults`, `checks`)."""

from gateway.config.loading import build, load, loads
from gateway.config.model import (
    Channel,
    ChannelConfig,
    FlowConfig,
    GatewayConfig,
    Limits,
    Loaded,
    OidcConfig,
    Org,
    OrgConfig,
    QueueConfig,
    RepConfig,
    secure_url,
)

__all__ = [
    "Channel",
    "ChannelConfig",
    "FlowConfig",
    "GatewayConfig",
    "Limits",
    "Loaded",
    "OidcConfig",
    "Org",
    "OrgConfig",
    "QueueConfig",
    "RepConfig",
    "build",
    "load",
    "loads",
    "secure_url",
]
