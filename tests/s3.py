"""A real S3 server in a process of its own (moto), and Amazon's own client to judge what is in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config

from gateway.store.s3 import Bucket
from tests.ports import free_port

KEY: Final = ("AKIA0123456789ABCDEF", "a-secret-of-forty-characters-0123456789ab")
_START_SECONDS: Final = 90.0


class S3Server:
    """On a port of its own. It forgets everything when it ends."""

    def __init__(self, log: Path) -> None:
        self.port, self._log, self._count = free_port(), log, 0
        self.address = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
            environment = {**os.environ, "MOTO_ACCOUNT_ID": "123456789012"}
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{self.address}/moto-api/", timeout=10):
                    return
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise AssertionError(f"the S3 server did not start:\n{self._log.read_text()[-2000:]}") from None
                time.sleep(0.05)

    def kill(self) -> None:
        """As a machine that is lost."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It takes connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def only_for(self, *actions: str) -> Iterator[tuple[str, str]]:
        """It looks at access keys. The key that is given may do these things, and no other key is known."""
        iam = self.client("iam")
        self._count += 1
        name = f"user{self._count}"
        iam.create_user(UserName=name)
        policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": "*"}]}
        iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=json.dumps(policy))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self._check_keys(after=0)
        try:
            yield key["AccessKeyId"], key["SecretAccessKey"]
        finally:
            self._check_keys(after=2**40)

    def _check_keys(self, *, after: float) -> None:
        request = urllib.request.Request(
            f"{self.address}/moto-api/reset-auth", data=str(after).encode(), headers={"Content-Type": "text/plain"}
        )
        with urllib.request.urlopen(request, timeout=30):
            pass

    def client(self, service: str = "s3") -> Any:
        """Amazon's own."""
        about = {"endpoint_url": self.address, "aws_access_key_id": KEY[0], "aws_secret_access_key": KEY[1]}
        config = Config(retries={"max_attempts": 1}, connect_timeout=10, read_timeout=60)
        return boto3.client(service, region_name="us-east-1", config=config, **about)

    def new_bucket(self, name: str | None = None) -> str:
        """A bucket, empty."""
        self._count += 1
        name = name or f"files-{self._count}"
        self.client().create_bucket(Bucket=name)
        return name

    def bucket(self, name: str, prefix: str = "", **more: Any) -> Bucket:
        """As the gateway has it."""
        return Bucket(name, prefix, **{"endpoint": self.address, "key": KEY, **more})

    def objects(self, name: str) -> dict[str, bytes]:
        """All that is in a bucket."""
        client = self.client()
        keys = [
            one["Key"]
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=name)
            for one in page.get("Contents", ())
        ]
        return {key: client.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    """Running."""
    one = S3Server(folder / "s3.log")
    try:
        one.start()
        yield one
    finally:
        one.kill()
