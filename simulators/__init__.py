"""Boards, cars and meters without hardware: the module classes that EVerest's software-in-the-loop runs use."""
