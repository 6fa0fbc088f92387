"""From the loop's thread to the main thread: pages, buffer, disk.

What a page is written to is the affair of `singer`.
"""
