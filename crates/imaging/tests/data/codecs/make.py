"""Makes the streams of this folder and index.json; NOTICE says from what and with which packages.

Every expected picture comes from a decoder that is not ours, and for lossless streams equals the source.
"""
import hashlib, json, pathlib, struct, sys, zlib
import imagecodecs as ic, numpy as np, openjpeg, pydicom, SimpleITK, tempfile, jpeg_ls
from pydicom.encaps import encapsulate, get_frame

HERE = pathlib.Path(__file__).parent
SHARED = pathlib.Path(sys.argv[1])
BASE = "1.2.840.10008.1.2."
index = []

mr = pydicom.dcmread(SHARED / "mr_transfer_syntaxes/dicom/1.dcm").pixel_array[150:190, 140:188]
grey12 = np.ascontiguousarray(mr.astype(np.uint16))
grey8 = (grey12 >> 4).astype(np.uint8)
signed16 = (grey12.astype(np.int32) * 37 % 65536 - 32768).astype(np.int16)
us = pydicom.dcmread(SHARED / "pydicom_test_files/test_files/examples_rgb_color.dcm").pixel_array
colour = np.ascontiguousarray(us[120:157, 140:185])


def digest(array):
    return hashlib.sha256(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes()).hexdigest()


def keep(name, uid, stream, expected, stored=None, photometric=None, after=None, signed=None):
    stored = stored or 8 * expected.itemsize
    samples = expected.shape[2] if expected.ndim == 3 else 1
    photometric = photometric or ("MONOCHROME2" if samples == 1 else "RGB")
    (HERE / name).write_bytes(stream)
    index.append(dict(
        file=name, syntax=BASE + uid, columns=expected.shape[1], rows=expected.shape[0], samples=samples,
        allocated=8 * expected.itemsize, stored=stored,
        signed=bool(expected.dtype.kind == "i" if signed is None else signed),
        photometric=photometric, after=after or photometric, sha256=digest(expected)))


def same(a, b):
    assert np.array_equal(a, b), "a lossless stream that loses"
    return b


def gdcm(stream, uid, like, stored, photometric=None):
    """What GDCM (by SimpleITK) decodes."""
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = BASE + uid
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    data.Rows, data.Columns = like.shape[:2]
    data.SamplesPerPixel = 3 if like.ndim == 3 else 1
    data.PhotometricInterpretation = photometric or ("RGB" if like.ndim == 3 else "MONOCHROME2")
    if like.ndim == 3:
        data.PlanarConfiguration = 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * like.itemsize, stored, stored - 1
    data.PixelRepresentation = int(like.dtype.kind == "i")
    data.PixelData = encapsulate([stream])
    with tempfile.NamedTemporaryFile(suffix=".dcm") as file:
        data.save_as(file.name, enforce_file_format=True)
        found = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(file.name))
    return found.reshape(like.shape).astype(like.dtype)


def lossless_with_restarts(image, precision, predictor, every, shift=0):
    """A lossless JPEG (T.81 annex H) with a restart every so many rows; all 17 categories have five bits."""
    rows, columns = image.shape
    out = bytearray(b"\xff\xd8")
    out += b"\xff\xc3" + struct.pack(">HBHHB3B", 11, precision, rows, columns, 1, 1, 0x11, 0)
    out += b"\xff\xc4" + struct.pack(">HB16B17B", 36, 0, *[17 if i == 5 else 0 for i in range(1, 17)], *range(17))
    out += b"\xff\xdd" + struct.pack(">HH", 4, every * columns)
    out += b"\xff\xda" + struct.pack(">HB2B3B", 8, 1, 1, 0, predictor, 0, shift)
    bits = ""

    def flush():
        nonlocal bits
        bits += "1" * (-len(bits) % 8)
        for i in range(0, len(bits), 8):
            byte = int(bits[i:i + 8], 2)
            out.append(byte)
            if byte == 255:
                out.append(0)
        bits = ""

    x = image.astype(np.int64) >> shift
    for r in range(rows):
        if r and r % every == 0:
            flush()
            out += bytes([0xFF, 0xD0 + (r // every - 1) % 8])
        for c in range(columns):
            first = r % every == 0
            a, b, d = (x[r, c - 1] if c else 0), (x[r - 1, c] if r else 0), (x[r - 1, c - 1] if r and c else 0)
            if first:
                p = a if c else 1 << (precision - shift - 1)
            elif c == 0:
                p = b
            else:
                p = [0, a, b, d, a + b - d, a + ((b - d) >> 1), b + ((a - d) >> 1), (a + b) >> 1][predictor]
            e = (int(x[r, c] - p) + 32767) % 65536 - 32767
            size = abs(e).bit_length()
            bits += format(size, "05b")
            if 0 < size < 16:
                bits += format(e if e > 0 else e + (1 << size) - 1, f"0{size}b")
    flush()
    return bytes(out + b"\xff\xd9")


# JPEG lossless: all predictors, 8 to 16 bits, signed, restarts, point transform, colour.
for predictor in range(1, 8):
    stream = ic.jpeg8_encode(grey12, lossless=True, predictor=predictor, bitspersample=12)
    keep(f"lossless_p{predictor}.jpg", "4.57" if predictor > 1 else "4.70", stream, same(ic.jpeg8_decode(stream), grey12), 12)
stream = ic.jpeg8_encode(signed16.view(np.uint16), lossless=True, predictor=4, bitspersample=16)
keep("lossless_signed16.jpg", "4.57", stream, same(gdcm(stream, "4.57", signed16, 16), signed16))
stream = ic.jpeg8_encode(grey8, lossless=True, predictor=7, bitspersample=8)
keep("lossless_8.jpg", "4.57", stream, same(gdcm(stream, "4.57", grey8, 8), grey8))
stream = ic.jpeg8_encode(colour, lossless=True, predictor=5, colorspace="RGB", outcolorspace="RGB")
keep("lossless_rgb.jpg", "4.57", stream, same(ic.jpeg8_decode(stream, colorspace="RGB", outcolorspace="RGB"), colour))
wild = (np.arange(37 * 41).reshape(37, 41) * 40503 % 65536).astype(np.uint16)
wild[3, 7] = (wild[3, 6].astype(int) + 32768) % 65536
for predictor, every in [(1, 3), (6, 4)]:
    stream = lossless_with_restarts(wild, 16, predictor, every)
    # libjpeg-turbo decodes what the script above encoded.
    keep(f"lossless_restarts_p{predictor}.jpg", "4.57", stream, same(ic.jpeg8_decode(stream), wild))
stream = lossless_with_restarts(grey12, 12, 4, 40, 2)
keep("lossless_shifted.jpg", "4.57", stream, same(ic.jpeg8_decode(stream), grey12 >> 2 << 2), 12)

# JPEG of 8 and 12 bits.
stream = ic.jpeg8_encode(grey12, 90, bitspersample=12)
keep("extended_12.jpg", "4.51", stream, gdcm(stream, "4.51", grey12, 12), 12)
stream = ic.jpeg8_encode(grey8, 85, optimize=True)
keep("baseline_grey.jpg", "4.50", stream, gdcm(stream, "4.50", grey8, 8))
for factors in ["444", "422", "420"]:
    stream = ic.jpeg8_encode(colour, 88, subsampling=factors)
    keep(f"baseline_{factors}.jpg", "4.50", stream, gdcm(stream, "4.50", colour, 8, "YBR_FULL_422"), photometric="YBR_FULL_422", after="RGB")
stream = ic.jpeg8_encode(colour, 88, colorspace="RGB", outcolorspace="RGB")
keep("baseline_rgb.jpg", "4.50", stream, gdcm(stream, "4.50", colour, 8))

# JPEG-LS: depths, NEAR, interleavings.
for name, image, stored, near, interleave in [
    ("12", grey12, 12, 0, 0), ("12_near3", grey12, 12, 3, 0), ("8", grey8, 8, 0, 0), ("8_near2", grey8, 8, 2, 0),
    ("16_signed", signed16, 16, 0, 0), ("16_near", wild, 16, 9, 0), ("16_near255", wild, 16, 255, 0), ("2", grey8 >> 6, 2, 0, 0), ("5", grey8 >> 3, 5, 0, 0),
    ("10_near1", grey12 >> 2, 10, 1, 0), ("rgb_line", colour, 8, 0, 1), ("rgb_line_near2", colour, 8, 2, 1), ("rgb_sample", colour, 8, 0, 2), ("rgb_sample_near2", colour, 8, 2, 2),
]:
    rows, columns = image.shape[:2]
    stream = bytes(jpeg_ls.encode_array(image.view(np.uint16) if image.dtype.kind == "i" else image, lossy_error=near, interleave_mode=interleave) if stored in (8, 16)
                   else jpeg_ls.encode_pixel_data(image.tobytes(), lossy_error=near, interleave_mode=interleave, rows=rows, columns=columns, samples_per_pixel=1, bits_stored=stored))
    found = jpeg_ls.decode(np.frombuffer(stream, np.uint8)).reshape(image.shape).view(image.dtype)
    if near == 0:
        same(found, image)
    keep(f"ls_{name}.jls", "4.80" if near == 0 else "4.81", stream, found, stored)
# One scan per channel, put together from three; presets in force; a signed one of 12 bits in 16.
planes = [bytes(jpeg_ls.encode_array(np.ascontiguousarray(colour[..., c]))) for c in range(3)]
scans = []
for c, plane in enumerate(planes):
    at = plane.index(b"\xff\xda")
    scans.append(plane[at:at + 5] + bytes([c + 1]) + plane[at + 6:-2])
head = b"\xff\xd8\xff\xf7" + struct.pack(">HBHHB9B", 17, 8, *colour.shape[:2], 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)
stream = head + b"".join(scans) + b"\xff\xd9"
keep("ls_rgb_planes.jls", "4.80", stream, same(ic.jpegls_decode(stream), colour))

# JPEG 2000 and high throughput.
signed12 = (grey12.astype(np.int16) - 1000)
for name, image, stored, options in [
    ("12", grey12, 12, dict(reversible=True, bitspersample=12)), ("signed12", signed12, 12, dict(reversible=True, bitspersample=12)),
    ("rgb", colour, 8, dict(reversible=True)), ("lossy_12", grey12, 12, dict(level=45, reversible=False, bitspersample=12)),
]:
    stream = bytes(ic.jpeg2k_encode(image, codecformat="J2K", **options))
    found = openjpeg.decode(stream)
    if options["reversible"]:
        same(found, image)
    rgb = dict(photometric="YBR_RCT", after="RGB") if image.ndim == 3 else {}
    keep(f"j2k_{name}.j2k", "4.90" if options["reversible"] else "4.91", stream, found, stored, **rgb)
for name, image, options in [
    ("16", grey12, {}), ("signed16", signed16, {}), ("rgb", colour, {}), ("8", grey8, dict(resolutions=3)),
    ("lossy", grey12, dict(reversible=False, level=0.0005)),
]:
    stream = bytes(ic.htj2k_encode(image, **{"reversible": True, **options}))
    found = openjpeg.decode(stream)
    if name != "lossy":
        same(ic.htj2k_decode(stream), image)
    rgb = dict(photometric="YBR_RCT", after="RGB") if image.ndim == 3 else {}
    keep(f"ht_{name}.j2c", "4.201" if name != "lossy" else "4.203", stream, found, **rgb)

# JPEG XL: lossless, lossy is left out as decoders may differ, and of a JPEG.
for name, image, stored in [("8", grey8, 8), ("12", grey12, 12), ("16", wild, 16), ("rgb", colour, 8), ("signed16", signed16, 16)]:
    plain = image.view(np.uint16) if image.dtype.kind == "i" else image
    stream = bytes(ic.jpegxl_encode(plain, lossless=True, bitspersample=stored, usecontainer=False))
    keep(f"xl_{name}.jxl", "4.110", stream, same(ic.jpegxl_decode(stream).view(image.dtype), image), stored)

# Run lengths by pydicom, a deflated frame by zlib.
def rle(image, stored):
    from pydicom.pixels import get_encoder
    options = dict(rows=image.shape[0], columns=image.shape[1], samples_per_pixel=3 if image.ndim == 3 else 1, bits_allocated=8 * image.itemsize,
                   bits_stored=stored, pixel_representation=int(image.dtype.kind == "i"), number_of_frames=1,
                   photometric_interpretation="RGB" if image.ndim == 3 else "MONOCHROME2", planar_configuration=0)
    return get_encoder(BASE + "5").encode(image, **options)

for name, image, stored in [("12", grey12, 12), ("rgb", colour, 8), ("signed16", signed16, 16)]:
    keep(f"rle_{name}.rle", "5", rle(image, stored), image, stored)
dose = pydicom.dcmread(SHARED / "pydicom_test_files/test_files/rtdose_rle_1frame.dcm")
keep("rle_32.rle", "5", get_frame(dose.PixelData, 0, number_of_frames=1), dose.pixel_array, 32)
deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
keep("frame_12.deflated", "8.1", deflater.compress(grey12.tobytes()) + deflater.flush(), grey12, 12)

lines = ",\n".join(json.dumps(entry) for entry in index)
(HERE / "index.json").write_text("[\n" + lines + "\n]\n")
print(len(index), sum(f.stat().st_size for f in HERE.iterdir()))
