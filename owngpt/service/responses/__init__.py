"""The Responses API behind the wire: items, turns, state. No HTTP types.

`turn.py` is the first file to read: one response, from a checked request to what is stored and delivered.
"""
