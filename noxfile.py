"""The daily checks: ``nox`` runs the tests, lint and the documentation, ``nox -s lint`` one of them.

A session gets an environment of its own, with the versions of ``.ci/constraints.txt``. ``nox --no-venv --no-install``
takes the Python that nox runs on instead, with what is installed there: so does ``.ci/run``, which has made an
environment already. What follows ``--`` goes to the program: ``nox -s tests -- tests/test_session.py``.
"""

import nox
from nox.command import CommandFailed

nox.options.sessions = ["tests", "lint", "docs"]
nox.options.reuse_existing_virtualenvs = True


def install(session: nox.Session, extras: str) -> None:
    session.install("-e", f".[{extras}]", "-c", ".ci/constraints.txt")


@nox.session
def tests(session: nox.Session) -> None:
    """The tests, on all processors."""
    install(session, "test,pygame")
    session.run("python", "-m", "pytest", "-q", "-n", "auto", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Style, format and types; what one of them finds does not hide what the others find."""
    install(session, "dev,pygame")
    failed = []
    for command in ("ruff check --output-format concise .", "ruff format --check --diff .", "mypy"):
        try:
            session.run(*command.split())
        except CommandFailed:
            failed.append(command)
    if failed:
        session.error(f"failed: {', '.join(failed)}")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, with warnings as errors, in doc/build."""
    install(session, "doc")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "doc", *(session.posargs or ["doc/build"]))


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks, quickly; ``nox -s bench -- echo --json mine.json`` names the jobs and takes longer."""
    install(session, "bench,pygame")
    session.run("python", "-m", "bench", *(session.posargs or ["--quick"]))
