"""Large JSON documents, which are parsed in pieces.

It comes right above `jsontext`, and knows no record, column or path.
"""
