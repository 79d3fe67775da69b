"""ModbusTcpHub: a Modbus TCP server, a meter or a gateway, as a bus that several modules share."""
