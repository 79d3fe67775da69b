"""EvseManager: the charging kernel of one EVSE, by IEC 61851-1.

``step.py`` is the pure core's entry; the files beside it decide, each what its name says; ``module.py`` is the shell.
"""
