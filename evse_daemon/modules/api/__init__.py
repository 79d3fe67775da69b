"""API: the public topics of EVerest for other programs (seed 003)."""
