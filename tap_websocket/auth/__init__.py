"""Credentials for a connection attempt: fixed, signed, or fetched over HTTP.

Nothing here opens a WebSocket; what is resolved fills placeholders and headers.
"""
