"""The book has every page, its links lead somewhere, and what it quotes is what the code says."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


def test_every_page_is_in_the_summary_once() -> None:
    listed = LINK.findall((DOCS / "SUMMARY.md").read_text())
    pages = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")} - {"SUMMARY.md"}
    assert sorted(listed) == sorted(pages)


def test_the_book_links_to_nothing_outside_of_it() -> None:
    outside = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in DOCS.rglob("*.md")
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).resolve().is_relative_to(DOCS)
    ]
    assert outside == []


def test_links_of_pages_lead_somewhere() -> None:
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("helm/*/README.md")]
    pages += ROOT.glob("examples/**/*.md")
    broken = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in LINK.findall(page.read_text())
        if not (page.parent / link).exists()
    ]
    assert broken == []


# --- The runbook.

RUNBOOK = re.sub(r"```.*?```", "", (DOCS / "runbook.md").read_text(), flags=re.S)
CODE = re.compile(r"`([^`]+)`")
# A line of a Rust text may go on in the next one.
SOURCES = re.sub(r"\\\n\s*", "", "\n".join(p.read_text() for p in ROOT.glob("*/src/**/*.rs")))


def first_cells(section: str) -> list[str]:
    """What the tables of a section of the runbook name in their first column."""
    chapter = RUNBOOK.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in chapter.splitlines() if line.startswith("|")]
    return [name for cell in rows for name in CODE.findall(cell)]


def test_every_reason_is_in_the_runbook() -> None:
    words = (ROOT / "crds" / "src" / "conditions.rs").read_text().split("pub mod reasons {")[1]
    reasons = set(re.findall(r'pub const \w+: &str = "(\w+)"', words.split("\n}")[0]))
    reasons |= set(re.findall(r'=> "([A-Z]\w+)"', (ROOT / "operator/src/error.rs").read_text()))
    assert len(reasons) > 15
    named = set(CODE.findall(RUNBOOK))
    assert reasons - named == set()


def test_every_end_of_an_item_is_in_the_runbook() -> None:
    states = (ROOT / "crds" / "src" / "queue_item.rs").read_text().split("pub enum ItemState {")[1]
    ends = set(re.findall(r"^    (\w+),$", states.split("\n}")[0], re.M)) - {"Queued"}
    assert len(ends) > 5
    assert ends - set(CODE.findall(RUNBOOK)) == set()


def test_what_the_runbook_quotes_is_what_the_services_say() -> None:
    quoted = first_cells("What the services refuse")
    assert len(quoted) > 20
    assert [text for text in quoted if text not in SOURCES] == []


def test_links_within_the_book_lead_to_headings() -> None:
    inner = re.compile(r"\]\(([^)#\s]*)#([^)\s]+)\)")
    broken = [
        f"{page.relative_to(ROOT)}: {target}#{anchor}"
        for page in DOCS.rglob("*.md")
        for target, anchor in inner.findall(page.read_text())
        if not target.startswith("http")
        and anchor not in headings((page.parent / target) if target else page)
    ]
    assert broken == []


def headings(page: Path) -> set[str]:
    """The anchors that mdBook and GitHub make of the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}
