"""What `make generate` writes into the charts is what is checked in."""

import pytest
from conftest import HELM, template, tool
from generate import CHARTS, generated, readmes


def test_generated_files_are_current() -> None:
    files = generated(tool("beamline")) | readmes(tool("helm-docs"))
    stale = [
        str(path.relative_to(HELM.parent))
        for path, text in files.items()
        if path.read_text() != text
    ]
    assert stale == [], "run `make generate`"


@pytest.mark.parametrize("chart", CHARTS)
def test_a_misspelt_value_is_refused_by_its_name(chart: str) -> None:
    assert "nonsense" in template(chart, "--set=nonsense=1", fails=True)
