"""EVerest's GenericPowermeter: meters that a file of registers describes."""
