"""WebSocket libraries behind one protocol: messages, control frames, how it ended.

What a message means is not known here.
"""
