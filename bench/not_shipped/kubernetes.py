"""Stands before the real kubernetes, which tests install and no image has."""

raise ImportError("kubernetes is not in an image")
