"""The PhyVerso board (Phytec and Pionix), which has two connectors: its dialect, and its driver on a serial line."""
