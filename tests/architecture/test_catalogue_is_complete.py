"""Every string of the source has its Chinese translation, and each fits the other."""

from __future__ import annotations

import polib

from ragsite import catalogue


def test_the_chinese_catalogue_is_complete_and_its_placeholders_agree() -> None:
    translated = polib.pofile(str(catalogue.ROOT / catalogue.CATALOGUE))
    assert catalogue.faults(catalogue.extract(catalogue.ROOT), translated) == []
