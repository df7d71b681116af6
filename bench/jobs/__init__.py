"""All jobs, in the order in which they are run and shown."""

from collections.abc import Iterable

from bench.jobs import crowd, echo, libraries, small
from bench.jobs.base import Bar, Job, Program

__all__ = ["JOBS", "Bar", "Job", "Program", "pick"]

JOBS: tuple[Job, ...] = (*echo.JOBS, *libraries.JOBS, *crowd.JOBS, *small.JOBS)


def pick(names: Iterable[str]) -> list[Job]:
    """Return the jobs of some names; ``echo`` also picks ``echo-single``. All of them if there is no name.

    :raises ValueError: there is no such job.
    """
    wanted = list(names)
    for name in wanted:
        if not any(job.name == name or job.name.startswith(name + "-") for job in JOBS):
            raise ValueError(f"no job is called {name!r}; there are {', '.join(job.name for job in JOBS)}")
    return [
        job for job in JOBS if not wanted or any(job.name == name or job.name.startswith(name + "-") for name in wanted)
    ]
