"""Where a gateway keeps what must outlast it: its store, its inbox and its files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr, model_validator

from adapters.forms import Unfit, parts_of_url
from gateway.config.ground import Settings

_BUCKET: Final = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(/[!-~]+?)?/?")


def _database(value: SecretStr) -> SecretStr:
    _url(value, "postgresql", "postgres", example="postgresql://byoc:${BYOC_DB_PASSWORD}@db.example.com/byoc")
    return value


def _stream(value: SecretStr) -> SecretStr:
    for one in value.get_secret_value().split(","):
        _url(SecretStr(one.strip()), "nats", "tls", example="nats://nats-1:4222,nats://nats-2:4222")
    return value


def _url(value: SecretStr, *schemes: str, example: str) -> None:
    scheme, separator, rest = value.get_secret_value().partition("://")
    if scheme not in schemes or not separator or not rest:
        raise Unfit(f"is not a {schemes[0]}:// address", f"Write it like {example}.")


def _bucket(value: str) -> str:
    if not _BUCKET.fullmatch(value):
        raise Unfit("is not an s3:// address", "Write it like s3://my-bucket, or s3://my-bucket/folder.")
    return value


def bucket_of(url: str) -> tuple[str, str]:
    """The bucket's name, and the folder in it; "": all of it."""
    found = _BUCKET.fullmatch(url)
    assert found is not None  # noqa: S101 - it was checked as the config was read
    return found[1], (found[2] or "").strip("/")


# An address with a password in it, so a secret as a whole.
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
StreamUrl = Annotated[SecretStr, AfterValidator(_stream)]
BucketUrl = Annotated[str, AfterValidator(_bucket)]


class S3Config(Settings):
    """The service behind `media: s3://…`."""

    endpoint: str | None = Field(
        default=None, description="The service's address, for one that isn't Amazon's: https://s3.example.com. null: Amazon S3."
    )
    region: str = Field(default="us-east-1", min_length=1, description="The bucket's region.")
    access_key_id: SecretStr | None = Field(
        default=None, description="The access key's id. null: what the environment offers (a role, or AWS_ACCESS_KEY_ID)."
    )
    secret_access_key: SecretStr | None = Field(default=None, description="The access key's secret.")

    ca_file: Path | None = Field(
        default=None, description="A PEM file of certificates to trust beside the system's, for a service behind a private CA."
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> S3Config:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise Unfit("has half of an access key", "Set both `access_key_id` and `secret_access_key`, or neither.")
        if self.endpoint is not None:
            parts_of_url(self.endpoint, "https", "http")
        return self


class NatsConfig(Settings):
    """The stream behind `inbox: nats://…`."""

    stream: str = Field(
        default="BYOC_INBOX",
        pattern=r"^[A-Za-z0-9_-]{1,60}$",
        description="The stream's name. It is made at the start if it is missing.",
    )
    replicas: int = Field(default=1, ge=1, le=5, description="On how many servers the stream is kept: 3 in production.")
    max_bytes: int = Field(
        default=10 * 1024**3,
        gt=0,
        description="How much the stream may hold, in bytes. When it is full, webhooks get 503 and providers send them again.",
    )
    credentials_file: str | None = Field(
        default=None, description="A NATS credentials file (`.creds`), if the servers ask for one."
    )
