"""The picows library: its transport, handshake and what it logs."""
