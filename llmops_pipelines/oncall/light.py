"""What keeps a command that only reads from loading what it does not use."""

import sys


class _WithoutPandas:
    """A finder of modules that says there is no pandas."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("not needed to read records", name=name)


def light_pyarrow() -> None:
    """Import pyarrow without pandas. It looks for pandas, once, when the first Python value is converted, and that import takes
    longer than a question about records (0.3 s, 50 MB). Later imports of pandas by others are not affected."""
    import pyarrow as pa

    if "pandas" in sys.modules:
        return
    sys.meta_path.insert(0, _WithoutPandas)
    try:
        pa.scalar(0)
    finally:
        sys.meta_path.remove(_WithoutPandas)
