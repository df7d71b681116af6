"""The bench: what it computes and writes; that it runs is a marked job, and no time is ever asserted."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT))  # at the end: bench/ is a folder of the repository, pygnetic may be an installed one

from bench import pages, report, stats  # noqa: E402
from bench.jobs import JOBS, Bar, Job, Program, pick  # noqa: E402
from bench.runner import Result, find_python  # noqa: E402

JOB = Job(
    "race",
    "A race",
    "Who is first.",
    "us",
    {"ours": Program("ours", "nowhere:ours"), "theirs": Program("theirs", "nowhere:theirs")},
    (Bar("ours", "theirs", 0.6), Bar("ours", "theirs", 10, how="difference"), Bar("ours", limit=25, at_least=True)),
)


def result() -> Result:
    # a noisy second round: ours is half of theirs in each
    return Result(JOB, {}, {"ours": [20.0, 200.0, 21.0], "theirs": [40.0, 400.0, 42.0]})


def test_ratios_are_taken_within_a_round() -> None:
    values = result().values
    assert stats.paired(values["ours"], values["theirs"]) == [0.5, 0.5, 0.5]
    assert stats.paired(values["ours"], values["theirs"], "difference") == [-20.0, -200.0, -21.0]


def test_rounds_that_do_not_match_are_an_error() -> None:
    with pytest.raises(ValueError):
        stats.paired([1.0], [1.0, 2.0])


def test_a_summary_has_the_middle_half_and_the_extremes() -> None:
    assert stats.summary([5.0, 1.0, 2.0, 4.0, 3.0]) == stats.Range(3.0, 2.0, 4.0, 1.0, 5.0, 5)
    assert stats.summary([7.0]) == stats.Range(7.0, 7.0, 7.0, 7.0, 7.0, 1)


def test_the_report_says_what_is_met() -> None:
    assert [row[1:] for row in report.bar_rows(result())] == [
        ("0.500", "0.500 to 0.500", "<= 0.6", "met"),
        ("-21.0", "-110 to -20.5", "<= 10", "met"),
        ("21.0", "20.5 to 110", ">= 25", "missed"),
    ]
    assert "== race: A race" in report.text(result())


def test_what_is_missing_is_said() -> None:
    without = Result(JOB, {}, {"ours": [20.0]}, {"theirs": "theirs is not installed"})
    assert report.program_rows(without)[1] == ("theirs", "missing", "theirs is not installed")
    assert [row[1] for row in report.bar_rows(without)] == ["missing", "missing", "20.0"]


def test_json_holds_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "JOBS", (JOB,))
    text = report.as_json({"python": "3"}, [result()])
    assert json.loads(text)["jobs"][0]["bars"][0]["verdict"] == "met"
    assert report.from_json(text) == ({"python": "3"}, [result()])


def test_new_results_replace_old_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "JOBS", (JOB,))
    new = Result(JOB, {}, {"ours": [1.0]})
    assert report.merged([result()], [new]) == [new]


def test_the_pages_are_lists_of_tables(tmp_path: Path) -> None:
    conditions = {"packages": {"msgpack": "1"}, "pygnetic": "2", "python": "3", "system": "4", "machine": "5"}
    pages.write_pages(conditions, [result()], tmp_path)
    assert "     - met\n" in (tmp_path / "bench_race.inc").read_text()
    assert "msgpack 1" in (tmp_path / "bench_conditions.inc").read_text()


def test_a_name_picks_jobs() -> None:
    assert pick([]) == list(JOBS)
    assert [job.name for job in pick(["echo"])] == ["echo", "echo-single"]
    with pytest.raises(ValueError, match="no job is called 'ehco'"):
        pick(["ehco"])


def test_every_job_is_about_programs_it_has() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS)
    for job in JOBS:
        for bar in job.bars:
            assert {bar.program, bar.over or bar.program} <= set(job.programs), (job.name, bar)


def test_every_program_exists() -> None:
    for function in {program.function for job in JOBS for program in job.programs.values()}:
        module, _, name = function.partition(":")
        source = ROOT.joinpath(*module.split(".")).with_suffix(".py").read_text()
        assert f"\ndef {name}(" in source, function


def test_a_package_that_nobody_has_is_said_to_be_missing() -> None:
    assert find_python(("no-such-package-at-all",)) == ("", "no-such-package-at-all")


@pytest.mark.bench
@pytest.mark.timeout(600)
def test_quick(tmp_path: Path) -> None:
    target = tmp_path / "bench.json"
    command = [sys.executable, "-m", "bench", "--quick", "--json", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=500)
    jobs = json.loads(target.read_text())["jobs"]
    assert [job["job"] for job in jobs] == [job.name for job in JOBS]
    for asked, job in zip(JOBS, jobs, strict=True):  # what is installed must start, and measure
        assert all(why.endswith(" is not installed") for why in job["missing"].values()), job["missing"]
        assert all(len(values) == 2 for values in job["values"].values()), job["values"]
        assert {*job["values"], *job["missing"]} == set(asked.programs)


@pytest.mark.bench
def test_charts(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    charts = importlib.import_module("bench.charts")
    job = JOBS[0]
    measured = Result(job, {}, {key: [1.0, 2.0] for key in job.programs})
    assert [path.name for path in charts.draw([measured], tmp_path)] == ["bench_echo.svg", "bench_bars.svg"]
