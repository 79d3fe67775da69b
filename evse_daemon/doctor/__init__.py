"""Looks at the machine that is to run a configuration, and changes nothing: ``evse-daemon doctor``.

Each file holds the checks of one thing; a check is a function that yields findings. check-config judges the file alone,
offline; here is what only this machine can tell.
"""
