"""The connections of a run: open, subscribe, keep alive, reconnect, end.

What becomes of their messages is decided in `records`.
"""
