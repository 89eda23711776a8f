# SPDX-License-Identifier: Apache-2.0
"""The table of programs: every row of the files table_*.py, checked for double names."""

import table_core
import table_languages
import table_servers
import table_tools


def rows():
    found = [*table_core.ROWS, *table_tools.ROWS, *table_languages.ROWS, *table_servers.ROWS]
    names = [row.name for row in found]
    double = {name for name in names if names.count(name) > 1}
    assert not double, f"rows of the same name: {double}"
    return found
