"""HTTP in: one way to answer, to refuse, to know who is asking, and to show a page."""
