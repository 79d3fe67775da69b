"""Module classes that talk to hardware: boards and meters on serial, CAN and Modbus."""
