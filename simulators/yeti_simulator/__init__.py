"""A board with control pilot, contactor, meter, residual current monitor and lock, without hardware."""
