"""The module class powermeter_API: another program is the meter, over MQTT."""
