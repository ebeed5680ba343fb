"""Deliveries: what a verdict owes to integrations (`fanout`), and how it is sent until it is accepted (`sending`).

Never here: how one receiver is spoken to (integrations), what is signed (judging).
"""
