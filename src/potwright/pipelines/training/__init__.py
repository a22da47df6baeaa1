"""Training: from labelled structures to a committee of potentials."""
