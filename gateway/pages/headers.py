"""The headers that every page and asset carries: what a page may load, and how long a file may be kept."""

from __future__ import annotations

from collections.abc import Sequence

# Scripts, styles, calls and sockets are our own; pictures may also be made in the page (a preview before sending). Nothing is
# inline, so neither 'unsafe-inline' nor a nonce is needed. No page of ours may be
# framed, except the connector by Salesforce.
_POLICY = {
    "default-src": ["'none'"],
    "script-src": ["'self'"],
    "style-src": ["'self'"],
    "img-src": ["'self'", "blob:", "data:"],
    "media-src": ["'self'", "blob:"],
    "connect-src": ["'self'"],
    "manifest-src": ["'self'"],
    "base-uri": ["'none'"],
    "form-action": ["'none'"],
    "frame-ancestors": ["'none'"],
}

COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

FOREVER = "public, max-age=31536000, immutable"
ASK_FIRST = "no-cache"  # kept, but the ETag is asked for every time


def content_security_policy(connect: Sequence[str] = (), frames: Sequence[str] = ()) -> str:
    """The policy; `connect` are further origins that the page may call (a company's sign-in), `frames` those whose pages may show it in a frame."""
    policy = {**_POLICY, "connect-src": [*_POLICY["connect-src"], *connect]}
    if frames:
        policy["frame-ancestors"] = [*frames]
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in policy.items())
