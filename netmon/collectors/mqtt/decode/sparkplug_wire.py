"""The protobuf messages of Sparkplug B, as far as netmon reads and writes them; what is not declared is skipped.

Field numbers are those of the specification's sparkplug_b.proto (Sparkplug 3.0, section 6.4). Texts are read as bytes:
a name that is no UTF-8 must not make the rest unreadable. Data sets, templates and arrays are no numbers and left out.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError as WireError

from netmon.collectors.mqtt.decode.record import DecodeError

_T = descriptor_pb2.FieldDescriptorProto
_U32, _U64, _F32, _F64 = _T.TYPE_UINT32, _T.TYPE_UINT64, _T.TYPE_FLOAT, _T.TYPE_DOUBLE
_BOOL, _BYTES, _MESSAGE = _T.TYPE_BOOL, _T.TYPE_BYTES, _T.TYPE_MESSAGE
_Field = tuple[str, int, "_T.Type.ValueType", str]  # name, number, type, message ("*": repeated)
_MESSAGES: dict[str, tuple[_Field, ...]] = {
    "PropertyValue": (("int_value", 3, _U32, ""), ("string_value", 8, _BYTES, "")),
    "PropertySet": (("keys", 1, _BYTES, "*"), ("values", 2, _MESSAGE, "*PropertyValue")),
    "Metric": (
        ("name", 1, _BYTES, ""), ("alias", 2, _U64, ""), ("timestamp", 3, _U64, ""), ("datatype", 4, _U32, ""),
        ("is_historical", 5, _BOOL, ""), ("is_transient", 6, _BOOL, ""), ("is_null", 7, _BOOL, ""),
        ("properties", 9, _MESSAGE, "PropertySet"), ("int_value", 10, _U32, ""), ("long_value", 11, _U64, ""),
        ("float_value", 12, _F32, ""), ("double_value", 13, _F64, ""), ("boolean_value", 14, _BOOL, ""),
    ),
    "Payload": (("timestamp", 1, _U64, ""), ("metrics", 2, _MESSAGE, "*Metric"), ("seq", 3, _U64, "")),
}  # fmt: skip
BOOLEAN = 11  # datatype
REBIRTH = b"Node Control/Rebirth"


def _payload_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="netmon/sparkplug_b.proto", package="netmon.sparkplug")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            many = of.startswith("*")
            added = message.field.add(name=field, number=number, type=kind)
            added.label = _T.LABEL_REPEATED if many else _T.LABEL_OPTIONAL
            if kind == _MESSAGE:
                added.type_name = f".netmon.sparkplug.{of.lstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("netmon.sparkplug.Payload"))


_Payload = _payload_class()


def parse(payload: bytes) -> Any:
    """A Payload message. Raises DecodeError."""
    try:
        return _Payload.FromString(payload)
    except (WireError, ValueError):  # UnicodeDecodeError is a ValueError
        raise DecodeError("not_protobuf", "not a Sparkplug B payload") from None


def rebirth_command(now: float) -> bytes:
    """NCMD payload that asks an edge node to tell all its names again (section 6.4.19)."""
    at = int(now * 1000)
    metric = {"name": REBIRTH, "timestamp": at, "datatype": BOOLEAN, "boolean_value": True}
    command: bytes = _Payload(timestamp=at, metrics=[metric]).SerializeToString()
    return command
