"""What SimpleITK makes of a mask, for the test `mask_edits`: one bit of `expected.nii.gz` for each operation.

    python make.py ../ibsi_pet/PET_image.nii.gz
"""

import sys

import numpy as np
import SimpleITK as sitk

image = sitk.ReadImage(sys.argv[1])
spacing = image.GetSpacing()


def array(img):
    return sitk.GetArrayFromImage(img)


def like(values):
    img = sitk.GetImageFromArray(np.ascontiguousarray(values).astype(np.uint8))
    img.CopyInformation(image)
    return img


def distances(mask):
    """From the centre of the nearest voxel inside, in mm."""
    found = array(sitk.SignedMaurerDistanceMap(mask, insideIsPositive=False, squaredDistance=False, useImageSpacing=True))
    return np.where(array(mask) > 0, 0, found)


def pieces(mask, least=0):
    found = sitk.ConnectedComponent(mask)
    return array(sitk.RelabelComponent(found, minimumObjectSize=least))


def blurred(values, sigma_mm):
    for axis, mm in zip((2, 1, 0), spacing):
        sigma = sigma_mm / mm
        reach = int(4 * sigma + 0.5)
        kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
        kernel /= kernel.sum()
        pad = [(reach, reach) if n == axis else (0, 0) for n in range(3)]
        wide = np.pad(values, pad, mode="edge")
        values = np.apply_along_axis(lambda line: np.convolve(line, kernel, mode="valid"), axis, wide)
    return values


def slice_distances(values):
    """Of each voxel of a slice from the outline, negative inside."""
    wide = sitk.GetImageFromArray(np.pad(values, 1).astype(np.uint8))
    wide.SetSpacing(spacing[:2])
    def outside(img):
        found = array(sitk.SignedMaurerDistanceMap(img, insideIsPositive=False, squaredDistance=False, useImageSpacing=True))
        return np.where(array(img) > 0, 0, found)
    return (outside(wide) - outside(1 - wide))[1:-1, 1:-1]


mask = sitk.BinaryThreshold(image, 0.8, 1e9)
values = array(mask)
hollow = array(sitk.BinaryThreshold(image, 0.8, 1.9))
sparse = np.where(np.arange(values.shape[0])[:, None, None] % 5 == 1, array(like(pieces(mask) == 1)), 0)
between = sparse.copy()
drawn = [k for k in range(len(sparse)) if sparse[k].any()]
for low, high in zip(drawn, drawn[1:]):
    assert (sparse[low] & sparse[high]).any()
    for k in range(low + 1, high):
        t = (k - low) / (high - low)
        between[k] = (1 - t) * slice_distances(sparse[low]) + t * slice_distances(sparse[high]) < -1e-4
largest = pieces(mask) == 1
seed = (15, 15, 25)
bits = [
    values,
    largest,
    pieces(mask, 20) > 0,
    hollow,
    array(sitk.BinaryFillhole(like(hollow))),
    np.stack([array(sitk.BinaryFillhole(sitk.GetImageFromArray(h.astype(np.uint8)))) for h in hollow]),
    distances(like(largest)) <= 9.0,
    largest & (distances(like(~largest)) > 6.0),
    blurred(values.astype(float), 5.0) >= 0.5,
    array(sitk.ConnectedThreshold(image, [seed], 1.5, 10.0)),
    sparse,
    between,
]
packed = sum((np.asarray(bit) > 0).astype(np.uint16) << n for n, bit in enumerate(bits))
out = sitk.GetImageFromArray(packed.astype(np.uint16))
out.CopyInformation(image)
sitk.WriteImage(out, "expected.nii.gz", useCompression=True)
print("seed", image.GetPixel(seed), "pieces", pieces(mask).max(), [int((np.asarray(b) > 0).sum()) for b in bits])
ties = blurred(values.astype(float), 5.0)
print("nearest to a half", np.abs(ties - 0.5).min())
