"""Home Assistant's MQTT discovery: each EVSE as a device, on the topics that there are for everybody."""
