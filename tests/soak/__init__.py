"""Many ordinary builds on a cluster on which things break, and at the end each verdict beside the one it should be.

Belongs here: builds whose verdict is known beforehand, faults that must change none of them, and the comparison.
Never here: what one test of `tests/e2e` shows by itself, without chance.
"""
