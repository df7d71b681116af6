"""Run jobs and print tables; ``--publish`` also renews what ``doc/performance.rst`` shows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import report
from bench.jobs import JOBS, pick
from bench.runner import ROOT, Result, run

__all__ = ["main"]

PUBLISHED = ROOT / "bench" / "results" / "latest.json"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    option = parser.add_argument
    option("jobs", nargs="*", metavar="JOB", help=f"which: {', '.join(job.name for job in JOBS)} (all)")
    option("--quick", action="store_true", help="a minute for all; rough, and with fewer clients")
    option("--json", type=Path, metavar="FILE", help="write what was measured")
    option("--publish", action="store_true", help=f"put it into {PUBLISHED.relative_to(ROOT)}, and that into doc/")
    option("--draw", action="store_true", help="measure nothing, only put what was published into doc/ again")
    option(
        "--other-python",
        action="append",
        default=[],
        metavar="PYTHON",
        help="an interpreter for programs whose packages this one lacks (PodSixNet, pygame); may be repeated",
    )
    args = parser.parse_args(argv)
    if args.draw:
        publish(*report.from_json(PUBLISHED.read_text()))
        return 0
    if args.quick and args.publish:
        parser.error("--quick is too rough to publish")
    try:
        jobs = pick(args.jobs)
    except ValueError as error:
        parser.error(str(error))
    conditions = report.about(args.quick)
    results = []
    for job in jobs:
        results.append(run(job, args.quick, tell, tuple(args.other_python)))
        print(report.text(results[-1]), end="\n\n", flush=True)
    if args.quick:
        print("That was quick: too rough, and with too few clients, for the bars.")
    if args.json:
        args.json.write_text(report.as_json(conditions, results))
    if args.publish:
        before = report.from_json(PUBLISHED.read_text())[1] if PUBLISHED.exists() else []
        results = report.merged(before, results)
        PUBLISHED.parent.mkdir(parents=True, exist_ok=True)
        PUBLISHED.write_text(report.as_json(conditions, results))
        publish(conditions, results)
    return 0


def tell(line: str) -> None:
    print(f"   {line}", file=sys.stderr, flush=True)


def publish(conditions: dict[str, object], results: list[Result]) -> None:
    from bench.charts import draw  # matplotlib, which nothing else needs
    from bench.pages import write_pages

    for path in (*write_pages(conditions, results), *draw(results)):
        tell(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
