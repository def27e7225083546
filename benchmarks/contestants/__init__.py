"""One script a contestant, whole in itself: it is run by an interpreter that may have nothing of ours.

A script gets the base URL, the file with the cases and the number of requests in flight, asks every case once, and
prints how many answers were right as its last line. The bare loops check by hand, the rest by a JSON Schema.
"""
