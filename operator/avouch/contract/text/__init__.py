"""The text of contracts, before anybody asks what it means: JSON and YAML as trees that know where everything stands.

Here: the readers, their limits, and the flaws of a text. Never here: files (bytes come in), or what a contract may say.
Imports: PyYAML, `errors`.
"""
