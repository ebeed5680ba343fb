"""Materials: their types, the validation of their content, and the annotations that are extracted from it.

Belongs here: the one table of types, validation and detection by their readers, the official schemas they are held
against, archives as several materials, facts about images. Pure: bytes and facts arrive as arguments.

Never here: what a contract requires (contract), where bytes are stored (cas), who delivered them (controlplane).
"""
