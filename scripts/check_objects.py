#!/usr/bin/env python3
"""Reads with highdicom, pydicom, SimpleITK and nibabel what `m3d-viewer convert --structures` writes, and compares.

    python3 scripts/check_objects.py M3D_VIEWER STUDY LABELS

M3D_VIEWER is the program, STUDY a folder with one DICOM series, LABELS a NIfTI label map on its grid. The label map is
written as a DICOM segmentation, a structure set, a label map and surfaces; each must hold the same voxels (surfaces: the
same volume within 2 %), and the segmentation read back and written as NIfTI again must be the label map.
Needs highdicom, nibabel, numpy and SimpleITK.
"""

import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import highdicom
import nibabel
import numpy
import pydicom
import SimpleITK


def image_of(study):
    """The series as SimpleITK reads it."""
    reader = SimpleITK.ImageSeriesReader()
    names = [n for u in reader.GetGDCMSeriesIDs(str(study)) for n in reader.GetGDCMSeriesFileNames(str(study), u)]
    reader.SetFileNames([n for n in names if pydicom.dcmread(n, stop_before_pixels=True).Modality not in ("SEG", "RTSTRUCT")])
    return reader.Execute()


def labels_on(path, image):
    """A NIfTI label map on the image's grid, as array [k, j, i]."""
    labels = SimpleITK.ReadImage(str(path))
    return SimpleITK.GetArrayFromImage(
        SimpleITK.Resample(labels, image, SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor, 0, labels.GetPixelID())
    )


def check_segmentation(path, image, wanted):
    """Frame by frame, by the positions that highdicom reads."""
    segmentation = highdicom.seg.segread(path)
    found = numpy.zeros(wanted.shape, wanted.dtype)
    numbers = [n for n in numpy.unique(wanted) if n]
    assert segmentation.number_of_segments == len(numbers), segmentation.number_of_segments
    frames = segmentation.pixel_array.reshape(-1, segmentation.Rows, segmentation.Columns)
    groups = segmentation.PerFrameFunctionalGroupsSequence
    for frame, group in zip(frames, groups):
        place = [float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient]
        index = image.TransformPhysicalPointToContinuousIndex(place)
        assert numpy.allclose(index, numpy.round(index), atol=0.01), index
        segment = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        found[round(index[2])][frame > 0] = numbers[segment - 1]
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID, "no source image"
    assert (found == wanted).all(), f"{(found != wanted).sum()} voxels differ"
    for n in segmentation.segment_numbers:
        about = segmentation.get_segment_description(n)
        print(f"  segment {n}: {about.segment_label}, {about.segmented_property_type.meaning}, {about.algorithm_type.value}")


def inside(polygon, points):
    """Even-odd: whether points are in a polygon."""
    x, y = points[:, 0], points[:, 1]
    odd = numpy.zeros(len(points), bool)
    for (x0, y0), (x1, y1) in zip(polygon, numpy.roll(polygon, -1, axis=0)):
        if y0 != y1:
            crosses = (y0 <= y) != (y1 <= y)
            odd ^= crosses & (x < x0 + (y - y0) / (y1 - y0) * (x1 - x0))
    return odd


def check_structure_set(path, image, wanted):
    """Contours filled by the even-odd rule in each slice."""
    data = pydicom.dcmread(path)
    assert data.Modality == "RTSTRUCT"
    numbers = [n for n in numpy.unique(wanted) if n]
    assert len(data.StructureSetROISequence) == len(numbers)
    rows, columns = wanted.shape[1:]
    points = numpy.stack(numpy.meshgrid(numpy.arange(columns), numpy.arange(rows)), -1).reshape(-1, 2)
    found = numpy.zeros(wanted.shape, wanted.dtype)
    for number, roi in zip(numbers, data.ROIContourSequence):
        for contour in roi.ContourSequence:
            corners = numpy.array(contour.ContourData, float).reshape(-1, 3)
            index = numpy.array([image.TransformPhysicalPointToContinuousIndex(c.tolist()) for c in corners])
            k = round(index[0, 2])
            assert numpy.allclose(index[:, 2], k, atol=0.01)
            assert len(corners) == contour.NumberOfContourPoints
            found[k].reshape(-1)[inside(index[:, :2], points)] ^= number
    assert (found == wanted).all(), f"{(found != wanted).sum()} voxels differ"


def check_surface(path, image, wanted):
    """The volume within the triangles."""
    data = path.read_bytes()
    count = struct.unpack("<I", data[80:84])[0]
    facets = numpy.frombuffer(data[84:], numpy.dtype([("v", "<f4", 12), ("a", "<u2")]), count)
    a, b, c = (facets["v"][:, n : n + 3].astype(float) for n in (3, 6, 9))
    volume = numpy.einsum("ij,ij->i", a, numpy.cross(b, c)).sum() / 6
    voxels = (wanted > 0).sum() * numpy.prod(image.GetSpacing())
    print(f"  {count} triangles, {volume / 1000:.3f} mL of {voxels / 1000:.3f}")
    assert abs(volume / voxels - 1) < 0.02


def main():
    program, study, labels = sys.argv[1:]
    image = image_of(study)
    wanted = labels_on(labels, image)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)

        def convert(structures, name):
            out = folder / name
            command = [program, "convert", study, str(out), "--structures", str(structures)]
            subprocess.run(command, check=True, capture_output=True)
            print(name)
            return out

        segmentation = convert(labels, "labels.dcm")
        check_segmentation(segmentation, image, wanted)
        structures = convert(labels, "labels.rtstruct.dcm")
        check_structure_set(structures, image, wanted)
        check_surface(convert(labels, "labels.stl"), image, wanted)
        for source in (segmentation, structures):
            again = labels_on(convert(source, f"{source.stem}.nii.gz"), image)
            # Labels are counted anew.
            numbers = numpy.searchsorted([n for n in numpy.unique(wanted) if n], wanted) + (wanted > 0)
            assert (again == numbers).all(), source
        nibabel.load(folder / "labels.nii.gz")
    print("all equal")


if __name__ == "__main__":
    main()
