"""The TIDA-010939 board of Texas Instruments: its dialect, and its driver on a serial line."""
