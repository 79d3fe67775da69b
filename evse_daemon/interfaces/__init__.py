"""EVerest's interfaces, one file each (``interfaces/NAME.yaml``): variables, commands, errors, kinds, time-outs."""
