"""Materials: the types of evidence, what their bytes must be, and what is read out of them.

Belongs here: the one table of types, validation and detection by their readers, the official schemas they are held
against, archives as several materials, facts about images. Pure: bytes and facts arrive as arguments.

Never here: what a contract asks (contract), where bytes lie (cas), who delivered them (controlplane).
"""
