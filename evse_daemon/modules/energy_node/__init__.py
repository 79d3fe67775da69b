"""EnergyNode: one fuse of the energy tree."""
