"""Which addresses a rep's files may be fetched from: the org's own hosts over https, and those that the config names."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from gateway.config.salesforce import SalesforceOrg

# Where Salesforce serves an org's files: the org's name is before each.
_FILE_HOSTS: Final = (
    ".file.force.com",
    ".my.salesforce.com",
    ".my.salesforce-scrt.com",
    ".content.force.com",
    ".documentforce.com",
)


def allowed(url: str, org: SalesforceOrg) -> bool:
    """Whether the gateway fetches it. Plain http is for an org on this machine alone, by exactly its own origin."""
    try:
        parts = urlsplit(url)
        host, own = (parts.hostname or "").lower(), {urlsplit(one).netloc for one in (org.instance_url, org.scrt_url)}
    except ValueError:
        return False
    if parts.username is not None or parts.password is not None:
        return False
    if parts.netloc in own and parts.scheme in (urlsplit(org.instance_url).scheme, "https"):
        return True
    if parts.scheme != "https" or not host:
        return False
    names = {(urlsplit(one).hostname or "").split(".")[0] for one in (org.instance_url, org.scrt_url)}
    of_org = host.endswith(_FILE_HOSTS) and host.split(".")[0].split("--c")[0] in names
    return of_org or any(_fits(host, allowed_host.lower()) for allowed_host in org.file_hosts)


def _fits(host: str, pattern: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern
