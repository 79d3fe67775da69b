"""The board of a charger, whatever its dialect and wire: messages, the driver's logic, and the shell around it."""
