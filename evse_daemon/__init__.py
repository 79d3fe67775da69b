"""The software of an electric-vehicle charger in one process, on the MQTT topic tree of EVerest."""

__version__ = "0.1.0"
