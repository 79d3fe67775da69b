"""Wires to boards: what carries whole messages over serial or CAN."""
