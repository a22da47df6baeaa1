"""What a campaign does with labels besides its loop: look into the store, label again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from kedro.io.core import generate_timestamp

from potwright.errors import InputError

if TYPE_CHECKING:
    from potwright.campaign import Campaign
    from potwright.quantum import LabelStore

RELABELLED = "relabelled_structures"


def store_place(campaign: Campaign) -> str:
    """Path or URL of the label store, as configured."""
    entry = campaign.catalog["label_store"]
    return str(entry.get("url") or entry["filepath"])


@contextmanager
def label_store(campaign: Campaign, *, must_exist: bool = False) -> Iterator[LabelStore]:
    """The label store, opened outside a run.

    Raises
    ------
    InputError
        If it cannot be opened; or if it must exist and does not.
    """
    from potwright.quantum import LabelStore

    place = store_place(campaign)
    if "://" not in place:
        place = str(campaign.project / place)
        if must_exist and not Path(place).exists():
            raise InputError(f"there is no label store at {place} yet: nothing was labelled")
    store = LabelStore(place, campaign.name)
    try:
        yield store
    finally:
        store.close()


def relabel(campaign: Campaign, level: str) -> Path:
    """Label the labelled structures of the last completed iteration at another level of theory.

    Parameters
    ----------
    campaign
        Whose.
    level
        A name in ``labelling.levels``.

    Returns
    -------
    Path
        The file that holds them.

    Raises
    ------
    InputError
        If there is no such level, or nothing that is labelled.
    """
    from kedro.framework.session import KedroServiceSession

    campaign.all_parameters.labelling.engine_at(level)
    completed = [i for i in campaign.iterations() if i.status == "completed"]
    if not completed:
        raise InputError(
            f"campaign {campaign.name!r} has completed no iteration: there is nothing to relabel"
        )
    version = generate_timestamp()
    parameters = {"labelling": {"relabel_to": level}}
    with KedroServiceSession.create(project_path=campaign.project, env=campaign.env) as session:
        session.run(
            run_id=version,
            pipeline_names=["relabelling"],
            load_versions={"labelled_structures": completed[-1].version},
            runtime_params=parameters,
        )
        catalog = session.load_context(parameters).config_loader["catalog"]
    place = campaign.project / catalog[RELABELLED]["filepath"]
    return place / version / place.name
