"""The driver of a Yeti board on a serial line."""
