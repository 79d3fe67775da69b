"""A Yeti board at the far end of a wire: what its firmware does, with a car on its control pilot."""
