"""One Modbus line (RTU or TCP) that several devices and several modules share."""
