"""Projections: each turns the bytes of a material that is not JSON into the JSON that policies are shown.

One small module for each family of formats, as the readers have. The names of fields are Chainloop's, whose policies
ask for them. A projection is given what the reader of its type accepts, raises `errors.Invalid` or `errors.TooLarge`
and nothing else, and counts what it makes, so that few bytes do not become many.

Never here: which type has which projection (`policy.documents`), what a document of a type must look like (readers).
"""
