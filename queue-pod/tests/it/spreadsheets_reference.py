"""Writes spreadsheets into the folder that is named, and says what the Python package reads from
each: a JSON list of `{file, plans}` or `{file, error}`."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import xlwt
from bluesky_queueserver.manager.conversions import spreadsheet_to_plan_list
from openpyxl import Workbook

Table = list[list[object]]

NAMES = ["plan_name", "args", "num", "delay", "detectors"]
TABLES: dict[str, Table] = {
    "usual": [
        NAMES,
        ["'count'", "['det1', 'det2']", 10, None, None],
        ["'count'", "['det1']", None, 0.5, None],
        ["'count'", None, None, 0.5, "['det1']"],
        [None, None, None, None, None],
        ["'scan'", "['det1', 'det2'], 'motor', -1, 1", 10, None, None],
        ["count", "['det2']", 2, 0.7, None],
    ],
    "whole-numbers": [NAMES[:3], ["p", 1, 5], ["p", 2, 6]],
    "numbers-and-gaps": [NAMES[:3], ["p", 1, 5], ["p", None, None], ["p", 2.5, 6.5]],
    "numbers-and-texts": [NAMES[:3], ["p", 1, 5], ["p", "'x'", "[1.0, 2e3, None, True]"]],
    "values": [
        ["plan", "args", "a", "b"],
        ["p", "1, 'two', [3.0], {'four': -5}", "{'k': {'n': [1, (2, 3)]}}", '"it\'s"'],
        ["p", "'a', ", "-1.5e-3", "''"],
    ],
    "only-names": [["plan"], ["'one'"], ["two"]],
    "no-rows": [["plan", "args"]],
    "wide-characters": [["plan", "args", "größe"], ["größe", "'µm', 'ü'", "'Å'"]],
    "bad-name": [["plan"], ["fine"], ["x y"]],
    "name-is-a-number": [["plan", "args"], [10, 1]],
    "name-is-a-list": [["plan", "args"], ["['p']", 1]],
    "unquoted": [["plan", "args"], ["p", "'a'"], ["p", "motor"]],
    "names-alike": [["plan", "args", "num", "Num"], ["p", None, 1, 2]],
}


def xlsx(table: Table, file: Path) -> None:
    book = Workbook()
    for row in table:
        book.active.append(row)
    book.create_sheet("other").append(["not", "read"])
    book.save(file)


def xls(table: Table, file: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("plans")
    for number, row in enumerate(table):
        for column, value in enumerate(row):
            if value is not None:
                sheet.write(number, column, value)
    book.add_sheet("other").write(0, 0, "not read")
    book.save(str(file))


def comma_separated(table: Table, file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(table)


def read(file: Path) -> dict[str, object]:
    try:
        content = io.BytesIO(file.read_bytes())
        plans = spreadsheet_to_plan_list(spreadsheet_file=content, file_name=file.name)
    except ValueError as error:
        return {"file": file.name, "error": str(error)}
    return {"file": file.name, "plans": plans}


def main() -> None:
    folder = Path(sys.argv[1])
    results = []
    for name, table in TABLES.items():
        for extension, write in (("xlsx", xlsx), ("xls", xls), ("csv", comma_separated)):
            file = folder / f"{name}.{extension}"
            write(table, file)
            results.append(read(file))
    json.dump(results, sys.stdout)


if __name__ == "__main__":
    main()
