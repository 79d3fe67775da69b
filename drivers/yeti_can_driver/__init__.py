"""A Yeti board on CAN."""
