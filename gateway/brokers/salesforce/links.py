"""Which files of reps are fetched, or shown as links: those at the org's own hosts, and at hosts that the config names."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from adapters.contract import Capabilities
from gateway.brokers.salesforce.events import Said
from gateway.config.salesforce import SalesforceOrg

# What an org's hosts end in, behind its own name. Source: Salesforce Help, "My Domain URL Formats".
_SUFFIXES: Final = (
    ".my.salesforce.com",
    ".my.salesforce-scrt.com",
    ".file.force.com",
    ".content.force.com",
    ".documentforce.com",
    ".lightning.force.com",
)
_WITHOUT_KIND: Final = (".content.force.com", ".documentforce.com")  # orgs whose domains were never moved have no kind in these
_KINDS: Final = (".sandbox", ".develop", ".scratch", ".demo", ".patch", ".trailblaze", ".free")


def allowed_file(url: str, org: SalesforceOrg) -> bool:
    """Whether a file may be fetched from there: by https, without a password in the address and at the usual port, from the org's own hosts or one of
    `file_hosts`. An org on this machine, as in the demo, may name its own origin by http. Never raises."""
    try:
        found = urlsplit(url)
        port = found.port
    except ValueError:
        return False
    if found.username is not None or found.password is not None or not found.hostname or not url.isprintable() or "\\" in url:
        return False
    if any(_is_local_origin(found, own) for own in (org.instance_url, org.scrt_url)):
        return True
    if found.scheme != "https" or port not in (None, 443):
        return False
    return _is_own(found.hostname, org) or any(_matches(found.hostname, wanted) for wanted in org.file_hosts)


def shows_strange_link(said: Said, capabilities: Capabilities, org: SalesforceOrg) -> bool:
    """Whether the channel would show the customer a file's address that isn't allowed, because it carries no files. Where it carries them, each is judged when it
    is fetched."""
    return not capabilities.files and not all(allowed_file(file.url, org) for file in said.files)


def _is_local_origin(found: SplitResult, own: str) -> bool:
    there = urlsplit(own)
    return _is_loopback(there.hostname or "") and (found.scheme, found.netloc) == (there.scheme, there.netloc)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _is_own(host: str, org: SalesforceOrg) -> bool:
    """The org's two hosts, and those that begin with the same name: `acme.file.force.com`, `acme--c.documentforce.com` for `acme.my.salesforce.com`."""
    own = [urlsplit(address).hostname or "" for address in (org.instance_url, org.scrt_url)]
    if host in own:
        return True
    its, names = _name(host), {name for one in own if (name := _name(one))}
    return its in names or (host.endswith(_WITHOUT_KIND) and its in {name.partition(".")[0] for name in names})


def _name(host: str) -> str:
    """The org's own name in one of its hosts, with the kind of org, since another kind's may have the same name; empty for any other host:
    `acme--uat.sandbox` of `acme--uat.sandbox.my.salesforce.com`."""
    suffix = next((one for one in _SUFFIXES if host.endswith(one)), None)
    if suffix is None:
        return ""
    whole = host.removesuffix(suffix)
    kind = next((one for one in _KINDS if whole.endswith(one)), "")
    name = whole.removesuffix(kind)
    if suffix in _WITHOUT_KIND:
        name = name.removesuffix("--c")
    return name + kind if name and "." not in name else ""


def _matches(host: str, wanted: str) -> bool:
    wanted = wanted.lower().rstrip(".")
    if wanted.startswith("*."):
        return host.endswith(wanted[1:]) and len(host) > len(wanted) - 1
    return host == wanted
