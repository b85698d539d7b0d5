"""The configuration: what it may hold (`model`), how it is read (`loading`, `text`), and what is wrong with it (`faults`, `checks`)."""

from gateway.config.ground import secure_url
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
)
from gateway.config.salesforce import SalesforceChannel, SalesforceOrg

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
    "SalesforceChannel",
    "SalesforceOrg",
    "build",
    "load",
    "loads",
    "secure_url",
]
