"""Writes expected.json: the colours of files as pydicom and nibabel give them.

usage: make.py FOLDER [FOLDER ...]: this folder, and those of the wide collection that the test looks into.
Needs pydicom 3 with pylibjpeg (libjpeg, openjpeg), pyjpegls and nibabel.
"""

import hashlib
import json
import sys
from pathlib import Path

import nibabel
import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut, pixel_array

LOSSY = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.81", "1.2.840.10008.1.2.4.91"}


def dicom(path):
    """Slice, row, column, channel; and whether every decoder must give the same."""
    image = pydicom.dcmread(path)
    if "PixelData" not in image:
        return None
    if image.PhotometricInterpretation == "PALETTE COLOR":
        colours = apply_color_lut(pixel_array(image), image)
    elif image.SamplesPerPixel == 3:
        colours = pixel_array(image)
    else:
        return None
    colours = (colours >> 8 * (colours.itemsize - 1)).astype(np.uint8)
    exact = image.file_meta.TransferSyntaxUID not in LOSSY and "YBR_FULL" not in image.PhotometricInterpretation
    return colours.reshape(-1, image.Rows, image.Columns, 3), exact


def nifti(path):
    stored = nibabel.load(path).dataobj.get_unscaled()
    colours = np.stack([stored[channel] for channel in "RGB"], -1)
    if colours.ndim == 5:
        colours = colours[:, :, :, 0]
    return colours.transpose(2, 1, 0, 3), True


def figures(colours, exact):
    slices, rows, columns, _ = colours.shape
    out = {"shape": [columns, rows, slices]}
    if exact:
        out["sha256_rgb"] = hashlib.sha256(np.ascontiguousarray(colours).tobytes()).hexdigest()
    else:
        out["mean"] = [round(float(mean), 3) for mean in colours[:1].mean((0, 1, 2))]
    # A few pixels of the first slice.
    steps = [(n * 2 + 1, n * 5 % 8 * 2 + 1) for n in range(8)]
    at = [(columns * x // 16, rows * y // 16) for x, y in steps]
    out["pixels"] = [[i, j, *map(int, colours[0, j, i])] for i, j in at]
    return out


def main():
    found = {}
    for folder in map(Path, sys.argv[1:]):
        for path in sorted(folder.iterdir()):
            if path.suffix == ".nii":
                found[path.name] = figures(*nifti(path))
            elif path.suffix == ".dcm" and path.name not in found:
                try:
                    read = dicom(path)
                except Exception as error:
                    print(path.name, error)
                    continue
                if read:
                    found[path.name] = figures(*read)
    lines = [f"{json.dumps(name)}: {json.dumps(of)}" for name, of in found.items()]
    Path(__file__).with_name("expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


main()
