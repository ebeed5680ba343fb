"""The command line: `avouch`, which is `kubectl avouch` too. A module for each subject, a function for each command.

`commands` is the one table of all commands: a command's module is imported when that command is typed, never for help
or completion, since a build starts us for each material. `session` holds what every command is given: the options that
all commands share and, through `ports`, the adapters.

Never here: adapters (processes builds them), the environment, a traceback for the user. What goes wrong is translated
in one place, `failures`; what is shown is written in one other, `output`. Below: packages that decide.
"""
