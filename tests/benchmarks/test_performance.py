"""The tables and the page that are made of what benchmarks leave."""

from pathlib import Path

import pytest

import performance
from budgets import budget_table
from call_cost import line
from call_cost_report import ratios, report
from overload import healthy_number, report as overload_report
from performance import PageError, replaced
from plots import draw_call_cost
from results import Json, load, save, spread, table

from .result_kit import made_up

PAGE = Path(__file__).parent.parent.parent / "docs" / "performance.md"


RUNS: list[Json] = [
    made_up("relay", 1.0),
    made_up("callboard", 0.8),
    made_up("relay", 2.0, 1),
    made_up("callboard", 1.8, 1),
    made_up("relay", 1.0, 2),
    made_up("callboard", 0.7, 2),
    {"system": "pipecat", "config": "passthrough", "calls": 20, "error": "pipecat is left out: no network"},
]
CONTENT: Json = {"runs": RUNS, "calls": 20}


def test_ratios_are_taken_within_a_repetition() -> None:
    assert ratios(RUNS[:6], "callboard") == pytest.approx([0.8, 0.9, 0.7])
    shown = report(CONTENT)
    assert "| callboard, direct WebSockets | 0.80 (0.70 to 0.90) | 0.800 |" in shown
    assert "2 tasks" in shown
    assert "pipecat is left out: no network" in shown


def test_a_line_says_what_was_seen() -> None:
    assert "0.800 s/call-min" in line(RUNS[1])
    assert line(RUNS[1]).endswith("healthy")
    assert line({**RUNS[1], "others": [0.0, 0.5]}).endswith("(machine disturbed)")


def test_budgets_say_what_was_met() -> None:
    shown = budget_table({"call_cost": CONTENT})
    assert "| CPU of a call, pass-through, against the bare relay | at most 1 | 0.80 | met |" in shown
    assert "against Pipecat | at most 0.35 | - | not measured |" in shown
    assert "| uplink delay p99 above the relay's, 20 calls | at most 5 ms | 1.00 ms | met |" in shown
    assert "| memory of an idle server | at most 60 MB | 58 MB | met |" in shown
    dear: Json = {"runs": [made_up("relay", 1.0), made_up("callboard", 1.2)]}
    assert "| at most 1 | 1.20 | missed |" in budget_table({"call_cost": dear})


def test_a_level_that_could_not_be_measured_is_a_row() -> None:
    broken: Json = {"way": "everybody is let in", "calls": 300, "error": "no\nanswer"}
    shown = overload_report({"runs": [{**RUNS[0], "way": "admission control"}, broken]})
    assert "| admission control | 20 | 20 | 0 |" in shown
    assert "| everybody is let in | 300 | no answer |" in shown


def test_the_number_to_overload_comes_from_the_search(tmp_path: Path) -> None:
    assert healthy_number("passthrough", tmp_path) is None
    found: list[Json] = [{"system": "callboard", "config": "passthrough", "good": 150}]
    save("capacity", {"capacity": found, "runs": []}, tmp_path)
    assert healthy_number("passthrough", tmp_path) == 150
    assert healthy_number("transcode", tmp_path) is None


def test_results_are_kept_with_where_they_come_from(tmp_path: Path) -> None:
    path = save("call_cost", CONTENT, tmp_path / "new")
    content = load(path)
    assert content["runs"] == RUNS
    assert content.keys() > {"machine", "date", "command", "revision"}


def test_tables_replace_those_of_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Path] = []

    def draw(content: Json, path: Path) -> None:
        drawn.append(path)

    monkeypatch.setattr(performance, "draw_call_cost", draw)
    page = tmp_path / "page.md"
    page.write_text(
        "Before\n<!-- budgets -->\nof yesterday\n<!-- end of budgets -->\n"
        "<!-- call_cost -->\n<!-- end of call_cost -->\nAfter\n"
    )
    assert performance.main(["--folder", str(tmp_path)]) == 1
    save("call_cost", CONTENT, tmp_path)
    assert performance.main(["--folder", str(tmp_path), "--into", str(page)]) == 0
    text = page.read_text()
    assert "yesterday" not in text
    assert text.startswith("Before\n<!-- budgets -->\n\n| what |")
    assert text.endswith("<!-- end of call_cost -->\nAfter\n")
    assert performance.main(["--folder", str(tmp_path), "--into", str(page)]) == 0
    assert page.read_text() == text
    assert drawn == [page.with_suffix(".svg")] * 2
    assert performance.main(["--folder", str(tmp_path)]) == 0
    assert "<!-- end of budgets -->" in capsys.readouterr().out
    with pytest.raises(PageError, match="no place for 'budgets'"):
        replaced("nothing", {"budgets": "x"})


def test_the_page_has_a_place_for_everything() -> None:
    made = {name: f"table of {name}" for name in ("budgets", *performance.SECTIONS)}
    text = replaced(PAGE.read_text(), made)
    assert all(value in text for value in made.values())


def test_a_drawing_is_made(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    first, second = tmp_path / "one.svg", tmp_path / "two.svg"
    assert draw_call_cost(CONTENT, first)
    assert draw_call_cost(CONTENT, second)
    assert first.read_bytes() == second.read_bytes()
    assert not draw_call_cost({"runs": []}, first)


def test_small_parts_of_tables() -> None:
    assert table(["a", "b"], [[1, 2]]) == "| a | b |\n| --- | ---: |\n| 1 | 2 |"
    assert spread([]) == "-"
    assert spread([1.0]) == "1.00"
    assert spread([3.0, 1.0]) == "2.00 (1.00 to 3.00)"
