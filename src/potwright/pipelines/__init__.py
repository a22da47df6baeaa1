"""The verbs of a campaign: one folder is one Kedro pipeline."""
