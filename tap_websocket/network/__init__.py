"""What has no WebSocket in it: URLs, TLS, proxies, TCP, and how they fail.

What a server answers to the upgrade is the affair of `transports`.
"""
