"""The protobuf schema, its generated module, and the conversion to contract types."""
