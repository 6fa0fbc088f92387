"""Descriptor sets, made by `protoc` as a user would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["TICKS", "compile_protos", "message_class"]

TICKS = Path(__file__).parent / "ticks.proto"


def compile_protos(proto: Path, folder: Path, *, imports: bool = True) -> Path:
    """Return the path of a descriptor set."""
    target = folder / f"{proto.stem}.pb"
    command = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        f"-I{proto.parent}",
        f"--descriptor_set_out={target}",
        *(["--include_imports"] if imports else []),
        proto.name,
    ]
    subprocess.run(command, check=True)
    return target


def message_class(descriptors: Path, name: str) -> type[Any]:
    """Return the class that makes messages of a type, as a server has it."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(
        descriptors.read_bytes()
    ).file:
        pool.Add(file)
    made: type[Message] = message_factory.GetMessageClass(
        pool.FindMessageTypeByName(name)
    )
    return made
