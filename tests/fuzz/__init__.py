"""Readers of what strangers write, shown damaged input: atheris tells which code an input reaches and digs there."""
