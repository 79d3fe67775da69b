"""What EVerest's framework is to its modules: interfaces, bus, modules, errors, clocks, supervision."""
