"""The Singer side: command line, writer, batch files, signals, metrics.

The stream itself is `stream.py`, the tap `tap.py`.
"""
