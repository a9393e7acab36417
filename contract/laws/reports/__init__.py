"""What came of a run of laws, for people and machines: text, JUnit XML, JSON, a page, a badge.

All are made of one `Record`, which says nothing of who was judged but its name.
"""
