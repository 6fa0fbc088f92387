"""Descriptor sets, made by `protoc` as a user would."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["LARGE", "TICKS", "compile_protos", "message_class"]

TICKS = Path(__file__).parent / "ticks.proto"
LARGE = Path(__file__).parent / "large.proto"

WELL_KNOWN = Path(protoc.__file__).parent / "_proto"
"""What `google/protobuf/*.proto` is imported from."""


def compile_protos(proto: Path, folder: Path, *, imports: bool = True) -> Path:
    """Return the path of a descriptor set."""
    target = folder / f"{proto.stem}.pb"
    arguments = [
        "protoc",
        f"-I{proto.parent}",
        f"-I{WELL_KNOWN}",
        f"--descriptor_set_out={target}",
        *(["--include_imports"] if imports else []),
        proto.name,
    ]
    assert protoc.main(arguments) == 0
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
