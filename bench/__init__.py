"""How fast pygnetic is, beside what a good programmer would write by hand and beside other libraries.

    python -m bench                    # everything: about ten minutes
    python -m bench --quick            # everything, roughly: under a minute
    python -m bench echo broadcast     # these jobs only

* ``jobs/``: what is compared, and the bars that pygnetic has to reach. No measuring code.
* ``peers/``: the programs that are measured, each a generator: it sets up, then each ``yield`` is one measurement.
* ``worker.py``: runs one such program in a process of its own.
* ``runner.py``: runs the workers of a job side by side, in turns. ``stats.py``: what the numbers say.
* ``report.py``, ``pages.py``, ``charts.py``: tables and JSON, reStructuredText, pictures.
"""
