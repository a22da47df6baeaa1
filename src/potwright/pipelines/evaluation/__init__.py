"""Evaluation: how wrong the committee is, whether its spread shows it, and what to label next."""
