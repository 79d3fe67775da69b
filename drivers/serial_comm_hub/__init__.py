"""EVerest's SerialCommHub: a serial bus (RS-485) that several modules share."""
