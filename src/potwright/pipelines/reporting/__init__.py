"""Reporting: what an iteration came to, as figures and one page of HTML."""
