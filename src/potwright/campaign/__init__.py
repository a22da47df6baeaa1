"""Campaigns: the loop over iterations, and what it shows, reports and hands out."""

from potwright.campaign.loop import NO_VERSION, Campaign, Iteration

__all__ = ["NO_VERSION", "Campaign", "Iteration"]
