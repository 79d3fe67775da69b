"""The simulators' ends of wires: what a driver opens as its serial port or CAN adapter."""
