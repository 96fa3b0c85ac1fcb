"""Exported Python files, run as importing them would."""

import types


def ran(text):
    """Run the text of an exported file, as importing it would."""
    module = types.ModuleType("exported")
    exec(compile(text, "exported.py", "exec"), module.__dict__)
    return module
