"""The firmware of a Yeti board at the far end of a wire, with a car on its control pilot."""
