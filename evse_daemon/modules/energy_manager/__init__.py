"""EnergyManager: shares the current of the energy tree among its EVSEs."""
