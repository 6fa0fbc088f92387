"""Binary payloads (MessagePack, CBOR, Protobuf) as JSON documents."""
