"""The dialect of the Yeti board (and of those with its message numbers), as protobuf."""
