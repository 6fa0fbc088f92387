"""A feed full of faults, for minutes: is anything lost, doubled or changed?

`make soak` runs it. All that is random comes from one seed.
"""
