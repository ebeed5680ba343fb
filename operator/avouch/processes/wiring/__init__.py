"""The command line's adapters, a module for each: `commandline` imports one when a command first asks for it.

So a command pays only for what it uses, and that an adapter fits its port is still checked by types. Never here:
anything but building.
"""
