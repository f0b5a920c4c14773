"""Faults that can be switched on in a running chain, to be seen, alerted on and mended.

A file, the switchboard, says which are on; decorators round store, bus and handlers act on them. Without the setting
`CARTSCOPE_FAULTS_FILE` none of this is installed.
"""
