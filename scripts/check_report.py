#!/usr/bin/env python3
"""Reads with highdicom and pydicom the reports that the program exports, and says what is in them.

    python3 scripts/check_report.py REPORT.sr.dcm [REPORT.dcm]

The first is a structured report (TID 1500), the second an Encapsulated PDF of the same report. Both must be of one study,
not verified, and say that they are for research use only; every finding must be tracked and every measurement must have
a value and a unit. Needs highdicom.
"""

import sys

import highdicom
import pydicom
from pydicom.sr.codedict import codes

NOTICE = "Research use only, not for diagnosis"


def texts(items):
    """The texts of a content tree, with the concepts they are of."""
    for item in items:
        if item.ValueType == "TEXT":
            yield item.ConceptNameCodeSequence[0].CodeMeaning, item.TextValue
        yield from texts(item.get("ContentSequence", []))


def groups_of(report):
    """All measurement groups of a report, each with what it is."""
    yield from (("volume", g) for g in report.get_volumetric_roi_measurement_groups())
    yield from (("outline", g) for g in report.get_planar_roi_measurement_groups())
    yield from (("measurements", g) for g in report.get_image_measurement_groups())


def check_report(path):
    document = highdicom.sr.srread(path)
    assert document.VerificationFlag == "UNVERIFIED", document.VerificationFlag
    assert document.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    report = document.content
    assert isinstance(report, highdicom.sr.MeasurementReport), type(report)
    said = list(texts(document.ContentSequence))
    assert any(words == NOTICE for _, words in said), "no notice"
    for concept, words in said:
        print(f"  {concept}: {words}")
    tracked = set()
    for kind, group in groups_of(report):
        assert group.tracking_uid and group.tracking_uid not in tracked, "a finding without a UID of its own"
        tracked.add(group.tracking_uid)
        finding = group.finding_type
        sites = [site.value.meaning for site in group.finding_sites]
        print(f"{kind}: {group.tracking_identifier}, {finding and finding.meaning}, {sites}")
        for measurement in group.get_measurements():
            print(f"  {measurement.name.meaning} {measurement.value} {measurement.unit.value}")
            assert measurement.value == measurement.value and measurement.unit.value
        if kind == "volume":
            outlines = [item for item in group.roi if item.ValueType == "SCOORD3D"]
            for outline in outlines:
                assert outline.graphic_type == highdicom.sr.GraphicTypeValues3D.POLYGON
                assert (outline.value[0] == outline.value[-1]).all(), "an open polygon"
            print(f"  {len(outlines)} outlines")
        if kind == "outline":
            print(f"  {len(group.roi.value)} corners")
    sequences = document.ContentSequence
    measured = [i for i in sequences if i.ConceptNameCodeSequence[0].CodeValue == codes.DCM.ImagingMeasurements.value]
    count = sum(len(i.ContentSequence) for i in measured)
    assert count == len(tracked), f"{count} groups, {len(tracked)} read"
    return document


def check_document(path, report):
    document = pydicom.dcmread(path)
    assert document.SOPClassUID == pydicom.uid.EncapsulatedPDFStorage
    assert document.VerificationFlag == "UNVERIFIED"
    assert document.MIMETypeOfEncapsulatedDocument == "application/pdf"
    pdf = document.EncapsulatedDocument[: document.EncapsulatedDocumentLength]
    assert pdf.startswith(b"%PDF-") and pdf.rstrip().endswith(b"%%EOF")
    for name in ("PatientID", "PatientName", "StudyInstanceUID"):
        assert document.get(name) == report.get(name), name
    print(f"{len(pdf)} bytes of PDF: {document.DocumentTitle}")


def main():
    report = check_report(sys.argv[1])
    if len(sys.argv) > 2:
        check_document(sys.argv[2], report)
    print("all read")


if __name__ == "__main__":
    main()
