"""InfyPower's charger modules as they behave on CAN, with a car's battery at their output."""
