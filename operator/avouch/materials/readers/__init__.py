"""Readers: each turns the bytes of one material into a `Document`. One small module for each family of formats.

A reader gets all bytes, already known to be within the type's limit, and returns a `document.Document` with
Chainloop's annotations. It refuses by raising `errors.Invalid`, which `validation.read` turns into a `Flaw`; nothing
else may escape.

Below the readers: `document` (what comes out), `jsons`, `xmls`, `yamls`, `archives` (bounded syntax) and `schemas`
(official JSON schemas, kept in `materials/schemas` with their licences). Readers are imported when they are first
used: `validation` finds them by the name in the table, so that a process which reads no GraphQL never loads a GraphQL
parser.
"""
