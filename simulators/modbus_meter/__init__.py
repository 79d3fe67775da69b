"""Modbus meters as a program of their own: the far end of the wire of drivers/generic_powermeter."""
