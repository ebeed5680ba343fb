"""Stands before the real watchfiles, which tests install and no image has."""

raise ImportError("watchfiles is not in an image")
