"""InfyPower's charger modules on CAN, protocol V1.13: a DC power supply."""
