"""Regions of interest on the sample CT, measured by SimpleITK (label statistics): writes expected.json.

Run from the root of the repository with a Python that has SimpleITK and numpy. A voxel is in a region when its centre
is; the label image is drawn in patient mm from SimpleITK's own geometry, by winding numbers.
"""
import json
import numpy as np
import SimpleITK as sitk

reader = sitk.ImageSeriesReader()
folder = "assets/sample/ct_abdomen"
reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
image = reader.Execute()
values = sitk.GetArrayFromImage(image).astype(np.float64)
size = np.array(image.GetSize())
kji = np.indices(values.shape).reshape(3, -1)
place = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
centres = (place @ kji[::-1] + np.array(image.GetOrigin())[:, None]).T

axial = ([1.0, 0, 0], [0, 1.0, 0], 2)
sagittal = ([0, 1.0, 0], [0, 0, -1.0], 0)
coronal = ([1.0, 0, 0], [0, 0, -1.0], 1)
rng = np.random.default_rng(3)


def winding(points, corners):
    turns = np.zeros(len(points))
    for a, b in zip(corners, np.roll(corners, -1, axis=0)):
        u, v = a - points, b - points
        turns += np.arctan2(u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0], (u * v).sum(axis=1))
    return np.abs(turns) > np.pi


cases = []
for name, (right, down, axis) in {"axial": axial, "sagittal": sagittal, "coronal": coronal}.items():
    right, down = np.array(right), np.array(down)
    for kind in ["ellipse", "polygon", "rectangle"]:
        index = size // 2
        index[axis] = int(size[axis] * rng.uniform(0.35, 0.65))
        origin = np.array(image.TransformContinuousIndexToPhysicalPoint([float(v) for v in index]))
        half = rng.uniform([12.0, 9.0], [55.0, 21.0])
        if kind == "polygon":
            angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
            corners = np.stack([np.cos(angles), np.sin(angles)], 1) * half * rng.uniform(0.4, 1.0, (9, 1))
        else:
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        away = centres - origin
        flat = np.stack([away @ right, away @ down], 1)
        near = np.abs(away @ np.cross(right, down)) < image.GetSpacing()[axis] / 2
        if kind == "ellipse":
            inside = ((flat / half) ** 2).sum(axis=1) <= 1
        else:
            inside = winding(flat, corners)
        label = (near & inside).reshape(values.shape).astype(np.uint8)
        drawn = sitk.GetImageFromArray(label)
        drawn.CopyInformation(image)
        found = sitk.LabelStatisticsImageFilter()
        found.UseHistogramsOff()
        found.Execute(image, drawn)
        n = found.GetCount(1)
        cases.append({
            "plane": name, "kind": kind, "origin_mm": origin.tolist(), "right": right.tolist(), "down": down.tolist(),
            "half": half.tolist(), "corners": corners.tolist(), "count": n, "mean": found.GetMean(1),
            # SimpleITK divides by n - 1.
            "std": found.GetSigma(1) * np.sqrt((n - 1) / n), "min": found.GetMinimum(1), "max": found.GetMaximum(1),
        })
json.dump(cases, open("tests/data/roi/expected.json", "w"), indent=1)
print([(c["plane"], c["kind"], c["count"], round(c["mean"], 2)) for c in cases])
