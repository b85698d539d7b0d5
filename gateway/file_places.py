"""Where files go: into folders of `data_dir`, or into a bucket when the config names one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.model import GatewayConfig
from gateway.config.places import bucket_of
from gateway.errors import GatewayError, without_s3
from gateway.store.files import FileStore, Ids
from gateway.store.folder import Folder

if TYPE_CHECKING:
    from gateway.store.s3 import Bucket


class FilePlaces:
    """Makes a store for each kind of files. All share one bucket."""

    def __init__(self, config: GatewayConfig) -> None:
        """Raises GatewayError."""
        self._data_dir = config.data_dir
        self._bucket = _bucket(config, config.media) if config.media is not None else None

    def store(self, folder: str, ids: Ids) -> FileStore:
        """Files of one kind, in a folder of this name."""
        if self._bucket is None:
            return Folder(self._data_dir / folder, ids)
        from gateway.store.s3 import BucketFolder

        return BucketFolder(self._bucket, folder, ids)


def _bucket(config: GatewayConfig, url: str) -> Bucket:
    try:
        from gateway.store.s3 import Bucket
    except ModuleNotFoundError as missing:
        raise without_s3(missing) from missing
    settings, (name, prefix) = config.s3, bucket_of(url)
    key_id, secret, certificates = settings.access_key_id, settings.secret_access_key, None
    if settings.ca_file is not None:
        try:
            certificates = settings.ca_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it isn't a text"
            raise GatewayError(f"s3.ca_file: {settings.ca_file} can't be read: {why}") from error
    key = (key_id.get_secret_value(), secret.get_secret_value()) if key_id and secret else None
    return Bucket(name, prefix, endpoint=settings.endpoint, region=settings.region, key=key, certificates=certificates)
