"""Faults put into the code one at a time, to see whether a test notices.

Known tools change numbers, operators and arguments inside of expressions. What slipped through here was a dropped
`where`, an awaited check, one clause of a condition, a row of a table: those are the operators of `faults`.
"""
