"""Exploration: starts, design of temperatures and pressures, watching, frames."""
