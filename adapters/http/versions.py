"""The published versions of Personalizer's REST API."""

from enum import IntEnum


class Version(IntEnum):
    """A version of the API; a later one is greater."""

    V1_0 = 0
    PREVIEW_1 = 1
    PREVIEW_2 = 2
    PREVIEW_3 = 3
    V2022 = 4


PATHS = {
    "v1.0": Version.V1_0,
    "v1.1-preview.1": Version.PREVIEW_1,
    "v1.1-preview.2": Version.PREVIEW_2,
    "v1.1-preview.3": Version.PREVIEW_3,
}
"""Versions as they stand in the path."""

QUERIES = {**PATHS, "2022-09-01-preview": Version.V2022}
"""Versions as ``api-version`` names them in the query; only the last one was published so."""
