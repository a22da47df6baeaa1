"""Threads that evaluate structures with the same models meet, and are served together.

Trajectories want one structure at a time, a GPU wants many. Each trajectory runs in a thread of
its own; whoever needs values waits until all others that still run do, too. Then everything that
is asked for is evaluated in batches. Calculators know nothing of it: see :func:`attending`.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread

import numpy as np
from ase import Atoms

from potwright.potentials.protocol import Evaluator, MemberValues


@dataclass(frozen=True)
class Request:
    """What somebody waits for."""

    evaluator: Evaluator
    structures: Sequence[Atoms]
    answer: Future[MemberValues] = field(default_factory=Future)


@dataclass(frozen=True)
class Meeting:
    """Where threads meet; None in the queue says that one has ended."""

    arrivals: SimpleQueue[Request | None] = field(default_factory=SimpleQueue)

    def serve(self, guests: int) -> None:
        """Answer requests until all guests have gone; runs in the thread that started them."""
        waiting: list[Request] = []
        while guests:
            arrived = self.arrivals.get()
            if arrived is None:
                guests -= 1
            else:
                waiting.append(arrived)
            if waiting and len(waiting) == guests:
                _answer(waiting)
                waiting = []


CURRENT: contextvars.ContextVar[Meeting | None] = contextvars.ContextVar("meeting", default=None)


@dataclass(frozen=True)
class MeetingEvaluator:
    """The :class:`~potwright.potentials.protocol.Evaluator` of one guest."""

    evaluator: Evaluator
    meeting: Meeting

    def __call__(self, structures: Sequence[Atoms]) -> MemberValues:
        """Wait for the others, and for the values."""
        request = Request(self.evaluator, structures)
        self.meeting.arrivals.put(request)
        return request.answer.result()

    def descriptors(self, structures: Sequence[Atoms]) -> np.ndarray:
        """Nobody waits for these."""
        return self.evaluator.descriptors(structures)


def attending(evaluator: Evaluator) -> Evaluator:
    """The same evaluator; in a thread of :func:`run_together` one that waits for the others."""
    meeting = CURRENT.get()
    return evaluator if meeting is None else MeetingEvaluator(evaluator, meeting)


def run_together(calls: Sequence[Callable[[], object]]) -> list[Exception | None]:
    """Run functions in threads which share their evaluations.

    Returns
    -------
    list
        What each has raised.
    """
    if len(calls) == 1:  # has nobody to wait for
        return [_raised_by(calls[0])]
    meeting = Meeting()
    found: list[Exception | None] = [None] * len(calls)

    def attend(index: int) -> None:
        CURRENT.set(meeting)
        try:
            found[index] = _raised_by(calls[index])
        finally:
            meeting.arrivals.put(None)

    threads = [Thread(target=attend, args=(index,), daemon=True) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    meeting.serve(len(calls))
    for thread in threads:
        thread.join()
    return found


def _raised_by(call: Callable[[], object]) -> Exception | None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - handed to who asked for the call
        return error
    return None


def _answer(requests: Sequence[Request]) -> None:
    """Evaluate what goes to the same models in one go; what fails there, one by one."""
    groups: dict[int, list[Request]] = {}
    for request in requests:
        groups.setdefault(id(request.evaluator), []).append(request)
    for group in groups.values():
        structures = [atoms for request in group for atoms in request.structures]
        try:
            values = group[0].evaluator(structures)
        except Exception as error:  # noqa: BLE001 - it is told to whom it concerns
            _answer_each(group, error)
            continue
        sizes = np.array([len(atoms) for atoms in structures])
        atoms_end = np.concatenate([[0], np.cumsum(sizes)])
        first = 0
        for request in group:
            last = first + len(request.structures)
            part = slice(atoms_end[first], atoms_end[last])
            request.answer.set_result(
                MemberValues(
                    values.energy[:, first:last],
                    values.forces[:, part],
                    values.stress[:, first:last],
                )
            )
            first = last


def _answer_each(group: Sequence[Request], error: Exception) -> None:
    if len(group) == 1:
        group[0].answer.set_exception(error)
        return
    for request in group:
        try:
            request.answer.set_result(request.evaluator(request.structures))
        except Exception as its_own:  # noqa: BLE001 - as above
            request.answer.set_exception(its_own)
