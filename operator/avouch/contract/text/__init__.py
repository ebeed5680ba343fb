"""The syntax of contract files: JSON and YAML as trees that know the line and column of each node.

Here: the readers, their limits, and the flaws of a text. Never here: files (bytes come in), or the rules of contracts.
Imports: PyYAML, `errors`.
"""
