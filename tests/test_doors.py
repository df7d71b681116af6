"""What a contributor meets first: the files that are named exist, and the commands and versions agree."""

import ast
import re
from pathlib import Path

import pytest
from pages import table

import pygnetic as net

ROOT = Path(__file__).parent.parent
CONTRIBUTING = (ROOT / "CONTRIBUTING.rst").read_text(encoding="utf-8")
CHANGED = {change: file.strip("`") for change, file in table(CONTRIBUTING, "To change")}
CONSTRAINTS = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8")


def sessions() -> set[str]:
    """Return the sessions of the noxfile, without an import: nox is installed only where contributors work."""
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {node.name for node in functions if "nox.session" in map(ast.unparse, node.decorator_list)}


def test_there_are_ten_changes() -> None:
    assert len(CHANGED) == 10


@pytest.mark.parametrize("change", CHANGED)
def test_the_file_to_open_first_exists(change: str) -> None:
    package, _, name = CHANGED[change].partition("/")
    assert package == "pygnetic"
    assert (Path(net.__file__).parent / name).is_file()  # the installed one: .ci/run tests a wheel


def test_the_hooks_have_the_version_of_ruff_that_the_constraints_have() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    [version] = re.findall(r"^ruff==(\S+)$", CONSTRAINTS, re.MULTILINE)
    assert re.findall(r'additional_dependencies: \["ruff==(\S+)"\]', hooks) == [version] * 2
    assert re.findall(r"entry: (.*) --force-exclude$", hooks, re.MULTILINE) == ["ruff check", "ruff format --check"]


def test_nox_has_a_version() -> None:
    assert re.search(r"^nox==\S+$", CONSTRAINTS, re.MULTILINE)


def test_the_daily_sessions() -> None:
    assert sessions() == {"tests", "lint", "docs", "bench"}


def test_sessions_that_are_called_exist() -> None:
    [workflow] = (ROOT / ".github" / "workflows").glob("*.yml")
    text = workflow.read_text(encoding="utf-8")
    called = set(re.findall(r"session: \[?(\w+)", text))
    assert called == sessions()
    assert {f"{system}-latest" for system in ("ubuntu", "windows", "macos")} <= set(re.findall(r"\w+-latest", text))
    assert "was not run" in text.partition("\nname:")[0]
    called = set(re.findall(r"\bin_nox ([a-z]+)", (ROOT / ".ci" / "run").read_text(encoding="utf-8")))
    assert called == {"tests", "lint", "docs"}
    assert set(re.findall(r"nox .*-s (\w+)", CONTRIBUTING)) <= sessions()


def test_the_security_policy_leads_to_the_page_and_to_no_address() -> None:
    policy = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((.*?)\)", policy):
        assert (ROOT / link).is_file(), link
    assert "doc/security.rst" in policy and "private security advisory" in " ".join(policy.split())
    assert "@" not in policy and "://" not in policy
