"""What pyproject.toml can't say: the gRPC stubs are made when the package is built."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROTO = Path(__file__).resolve().parent / "gateway" / "brokers" / "salesforce" / "pubsub.proto"


class BuildWithStubs(build_py):
    """Makes `pubsub_pb2.py` and its kin beside the proto, where the compiler (the extra `stubs`) is installed. Without it, the gateway works with its own
    broker alone."""

    def run(self) -> None:
        make_stubs()
        super().run()


def make_stubs() -> None:
    """Beside the proto, named by their full path in the package."""
    try:
        from grpc_tools import protoc
    except ImportError:
        return
    root = PROTO.parents[3]
    options = [f"--proto_path={root}", f"--python_out={root}", f"--pyi_out={root}", f"--grpc_python_out={root}"]
    if protoc.main(["protoc", *options, str(PROTO)]):
        raise SystemExit(f"{PROTO} can't be compiled")


setup(cmdclass={"build_py": BuildWithStubs})
