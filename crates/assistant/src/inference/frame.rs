//! The way from a study's grid to the prepared image and back.

use glam::{DAffine3, DMat3, DVec3, UVec3};
use rayon::prelude::*;

use super::{InferenceError, ModelBox};
use m3d_imaging::geometry::{OrderedCrop, VoxelBox, VoxelGrid};
use m3d_imaging::volume::axis::nearest_home_taps;
use m3d_imaging::volume::{Mask, Paint, nearest_voxels, volume_of};

/// What lies between a volume and its prepared image: the crop in source voxels, the order in which its axes were read,
/// and the prepared size. It brings boxes and masks there and home again.
///
/// `model` space has the axes depth, height, width (the third, second and first axis in the order read; for an image in
/// the order of the patient: to the head, to the back, to the left) and runs from 0 to 1 over the prepared image, edge to
/// edge.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFrame {
    grid: VoxelGrid,
    crop: OrderedCrop,
    size: [usize; 3],
}

impl ModelFrame {
    /// The frame of a crop, read in its order and resized to `size` (depth, height, width).
    ///
    /// # Errors
    /// When the crop is empty or leaves the grid, or the size has an empty axis.
    pub fn new(
        grid: VoxelGrid,
        crop: OrderedCrop,
        size: [usize; 3],
    ) -> Result<Self, InferenceError> {
        if size.contains(&0) {
            return Err(InferenceError::ImageSize(size));
        }
        if !crop.min.cmplt(crop.max).all() || !crop.max.cmple(grid.dims()).all() {
            return Err(InferenceError::Flat("cropping"));
        }
        Ok(Self { grid, crop, size })
    }

    /// The source grid.
    pub const fn grid(&self) -> &VoxelGrid {
        &self.grid
    }

    /// The source voxels inside the crop, and the order in which they are read.
    pub const fn crop(&self) -> OrderedCrop {
        self.crop
    }

    /// The crop as a box of the source grid.
    pub fn crop_box(&self) -> VoxelBox {
        VoxelBox {
            min: self.crop.min.as_dvec3() - 0.5,
            max: self.crop.max.as_dvec3() - 0.5,
        }
    }

    /// The prepared size: depth, height, width.
    pub const fn size(&self) -> [usize; 3] {
        self.size
    }

    /// The prepared size along the ordered axes, the first one first.
    fn ordered_size(&self) -> DVec3 {
        let [d, h, w] = self.size;
        DVec3::new(w as f64, h as f64, d as f64)
    }

    /// A box of the source grid in ordered coordinates, 0 at the first voxel's outer edge.
    fn ordered_box(&self, source: &VoxelBox) -> VoxelBox {
        let there = self.crop.voxel_from_ordered().inverse();
        let [a, b] = [source.min, source.max].map(|c| there.transform_point3(c) + 0.5);
        VoxelBox::from_corners(a, b)
    }

    /// The map from voxel coordinates `(i, j, k)` to `model` coordinates `(d, h, w)`.
    pub fn model_from_voxel(&self) -> DAffine3 {
        let part = 1.0 / self.crop.extent().as_dvec3();
        let turned = DMat3::from_cols(DVec3::Z * part.x, DVec3::Y * part.y, DVec3::X * part.z);
        let model_from_ordered =
            DAffine3::from_mat3_translation(turned, turned * DVec3::splat(0.5));
        model_from_ordered * self.crop.voxel_from_ordered().inverse()
    }

    /// The map from patient mm (LPS) to `model` coordinates `(d, h, w)`.
    pub fn model_from_patient(&self) -> DAffine3 {
        self.model_from_voxel() * self.grid.voxel_from_patient()
    }

    /// The box in the model's coordinates, as prompts write it. The part outside the crop is cut off; a side thinner than one
    /// voxel of the prepared image is written as that voxel, because the notation has nothing smaller.
    ///
    /// # Errors
    /// When nothing of the box is inside the crop, or it is not finite.
    pub fn model_box(&self, source: &VoxelBox) -> Result<ModelBox, InferenceError> {
        if !source.min.is_finite() || !source.max.is_finite() {
            return Err(InferenceError::BoxNotFinite);
        }
        let ordered = self.ordered_box(source);
        let extent = self.crop.extent().as_dvec3();
        let (low, high) = (ordered.min.max(DVec3::ZERO), ordered.max.min(extent));
        let outside = ordered.min.cmpge(extent) | ordered.max.cmple(DVec3::ZERO);
        if !low.cmple(high).all() || outside.any() {
            return Err(InferenceError::BoxOutside);
        }
        let size = self.ordered_size();
        let scale = size / extent;
        let mut numbers = [0.0; 6];
        for axis in 0..3 {
            // Edges in voxels of the prepared image: 0 to `n`.
            let n = size[axis];
            let mut first = low[axis] * scale[axis];
            let mut past = high[axis] * scale[axis];
            if past - first < 1.0 {
                first = ((first + past - 1.0) / 2.0).clamp(0.0, n - 1.0);
                past = first + 1.0;
            }
            numbers[2 - axis] = first / n;
            numbers[5 - axis] = (past - 1.0) / n;
        }
        ModelBox::new(numbers).ok_or(InferenceError::BoxNotFinite)
    }

    /// The box the model wrote, on the source grid. Numbers outside 0 to 1 are held to the prepared
    /// image; the box is never thinner than one of its voxels.
    pub fn voxel_box(&self, model_box: &ModelBox) -> VoxelBox {
        let numbers = model_box.numbers();
        let size = self.ordered_size();
        let scale = self.crop.extent().as_dvec3() / size;
        let home = self.crop.voxel_from_ordered();
        let (mut low, mut high) = (DVec3::ZERO, DVec3::ZERO);
        for axis in 0..3 {
            let n = size[axis];
            let first = (numbers[2 - axis] * n).clamp(0.0, n - 1.0);
            let past = (numbers[5 - axis] * n + 1.0).clamp(first + 1.0, n);
            low[axis] = first * scale[axis];
            high[axis] = past * scale[axis];
        }
        let [a, b] = [low, high].map(|edge| home.transform_point3(edge - 0.5));
        VoxelBox::from_corners(a, b)
    }

    /// The source voxels where the logits (prepared size, `[D,H,W]`), trilinear at the voxel's centre,
    /// are above 0; nothing outside the crop. The model was trained with labels resized as
    /// [`labels_from_mask`](Self::labels_from_mask) does, so this is the inverse of that, half a voxel of
    /// the prepared image aside from the image's own. Logits of another length give an empty mask.
    pub fn mask_from_logits(&self, logits: &[f32]) -> Mask {
        let mut mask = Mask::empty(self.grid);
        let [depth, height, width] = self.size;
        if Some(logits.len()) != volume_of(self.size) {
            return mask;
        }
        let extent = self.crop.extent();
        let across = nearest_home_taps(width, extent.x as usize);
        let down = nearest_home_taps(height, extent.y as usize);
        let deep = nearest_home_taps(depth, extent.z as usize);
        let area = height * width;
        // Slices are interpolated in parallel; each yields the runs of voxels inside.
        let runs: Vec<Vec<[u32; 3]>> = (0..extent.z)
            .into_par_iter()
            .map(|k| {
                let tap = deep[k as usize];
                let low = &logits[tap.low * area..][..area];
                let high = &logits[tap.high * area..][..area];
                let plane: Vec<f32> = low.iter().zip(high).map(|(&a, &b)| tap.mix(a, b)).collect();
                if plane.iter().all(|&v| v <= 0.0) {
                    return Vec::new();
                }
                let mut runs = Vec::new();
                let mut row = vec![0.0; width];
                for (j, tap) in down.iter().enumerate() {
                    let low = &plane[tap.low * width..][..width];
                    let high = &plane[tap.high * width..][..width];
                    for ((mixed, &a), &b) in row.iter_mut().zip(low).zip(high) {
                        *mixed = tap.mix(a, b);
                    }
                    let mut from = None;
                    for (i, tap) in across.iter().enumerate() {
                        let inside = tap.mix(row[tap.low], row[tap.high]) > 0.0;
                        match (inside, from) {
                            (true, None) => from = Some(i),
                            (false, Some(start)) => {
                                runs.push([j as u32, start as u32, i as u32]);
                                from = None;
                            }
                            _ => {}
                        }
                    }
                    if let Some(start) = from {
                        runs.push([j as u32, start as u32, extent.x]);
                    }
                }
                runs
            })
            .collect();
        paint_ordered(&mut mask, self.crop, &runs);
        mask
    }

    /// A mask of the source grid on the prepared grid `[D,H,W]`, 1 inside: cropped and resized to the
    /// nearest voxel, as the training data's labels were. Masks of another grid give nothing.
    pub fn labels_from_mask(&self, mask: &Mask) -> Vec<u8> {
        let same_grid = *mask.grid() == self.grid;
        nearest_voxels(self.crop, self.size)
            .map(|voxel| u8::from(same_grid && mask.contains(voxel)))
            .collect()
    }

    /// The mm (along the voxel axes `i, j, k`) that one voxel of a mask drawn on `mask_grid` (depth,
    /// height, width) over the prepared image really covers.
    pub fn effective_voxel_mm(&self, mask_grid: [usize; 3]) -> DVec3 {
        let [d, h, w] = mask_grid.map(|n| n.max(1) as f64);
        let extent_mm = (self.crop.max - self.crop.min).as_dvec3() * self.grid.spacing_mm();
        extent_mm / self.crop.order.stored_lengths(DVec3::new(w, h, d))
    }
}

/// Adds runs of voxels to a mask: for each ordered slice, the row, the first voxel and the one past the last.
fn paint_ordered(mask: &mut Mask, crop: OrderedCrop, runs: &[Vec<[u32; 3]>]) {
    let all = (0..)
        .zip(runs)
        .flat_map(|(k, runs)| runs.iter().map(move |&run| (k, run)));
    if crop.order.axis(0) == 0 {
        // A run along the first axis is one of the mask's own.
        for (k, [j, start, end]) in all {
            let first = if crop.order.is_backwards(0) {
                end - 1
            } else {
                start
            };
            mask.paint_run(crop.voxel(UVec3::new(first, j, k)), end - start, Paint::Add);
        }
        return;
    }
    let span = crop.max - crop.min;
    let row_of = |v: UVec3| ((v.z * span.y + v.y) as usize, v.x);
    let words = span.x.div_ceil(64) as usize;
    let mut bits = vec![0_u64; words * span.y as usize * span.z as usize];
    for (k, [j, start, end]) in all {
        for i in start..end {
            let (row, x) = row_of(crop.voxel(UVec3::new(i, j, k)) - crop.min);
            bits[row * words + x as usize / 64] |= 1 << (x % 64);
        }
    }
    for (row, bits) in (0..).zip(bits.chunks_exact(words)) {
        let place = crop.min + UVec3::new(0, row % span.y, row / span.y);
        let is_set = |x: u32| bits[x as usize / 64] >> (x % 64) & 1 == 1;
        let mut x = 0;
        while x < span.x {
            if bits[x as usize / 64] >> (x % 64) == 0 {
                x = (x / 64 + 1) * 64;
                continue;
            }
            let Some(start) = (x..span.x).find(|&x| is_set(x)) else {
                break;
            };
            let end = (start..span.x).find(|&x| !is_set(x)).unwrap_or(span.x);
            mask.paint_run(place + UVec3::X * start, end - start, Paint::Add);
            x = end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use m3d_imaging::geometry::AxisOrder;

    fn framed(
        grid: VoxelGrid,
        low: UVec3,
        high: UVec3,
        size: [usize; 3],
    ) -> Result<ModelFrame, InferenceError> {
        ModelFrame::new(grid, OrderedCrop::new(AxisOrder::STORED, low, high), size)
    }

    fn frame() -> ModelFrame {
        let place = DAffine3::from_scale(DVec3::new(0.5, 0.5, 2.0));
        let grid = VoxelGrid::new(UVec3::new(100, 80, 40), place).unwrap();
        let (low, high) = (UVec3::new(10, 20, 4), UVec3::new(74, 52, 36));
        framed(grid, low, high, [32, 64, 128]).unwrap()
    }

    /// Where a source voxel is one or several whole prepared voxels, the numbers are the reference's:
    /// the first and the last voxel inside, over the length.
    #[test]
    fn aligned_boxes_have_the_references_numbers() {
        let frame = frame();
        let source =
            VoxelBox::from_corners(DVec3::new(9.5, 20.5, 3.5), DVec3::new(41.5, 35.5, 9.5));
        let model_box = frame.model_box(&source).unwrap();
        let wanted = [0.0, 2.0 / 64.0, 0.0, 5.0 / 32.0, 31.0 / 64.0, 63.0 / 128.0];
        assert_eq!(Some(model_box), ModelBox::new(wanted));
        let home = frame.voxel_box(&model_box);
        assert!((home.min - source.min).abs().max_element() < 0.1);
        assert!((home.max - source.max).abs().max_element() < 0.1);
    }

    #[test]
    fn boxes_are_cut_at_the_crop_and_refused_outside() {
        let frame = frame();
        let over = VoxelBox::from_corners(DVec3::splat(-50.0), DVec3::splat(500.0));
        let model_box = frame.model_box(&over).unwrap();
        assert_eq!(frame.voxel_box(&model_box).min, frame.crop_box().min);
        let far = (frame.voxel_box(&model_box).max - frame.crop_box().max).abs();
        assert!(far.max_element() < 0.04);
        let outside = VoxelBox::from_corners(DVec3::ZERO, DVec3::splat(3.0));
        assert_eq!(frame.model_box(&outside), Err(InferenceError::BoxOutside));
        let broken = VoxelBox {
            min: DVec3::NAN,
            max: DVec3::ONE,
        };
        assert_eq!(frame.model_box(&broken), Err(InferenceError::BoxNotFinite));
    }

    #[test]
    fn wild_boxes_of_the_model_stay_in_the_image() {
        let frame = frame();
        for numbers in [
            [-3.0; 6],
            [7.0; 6],
            [0.5; 6],
            [-1e300, 0.0, 9.0, 1e300, 2.0, 1.0],
        ] {
            let home = frame.voxel_box(&ModelBox::new(numbers).unwrap());
            let crop = frame.crop_box();
            assert!(home.min.cmpge(crop.min - 1e-9).all());
            assert!(home.max.cmple(crop.max + 1e-9).all());
            assert!(home.min.cmplt(home.max).all());
        }
    }

    #[test]
    fn model_space_runs_from_edge_to_edge() {
        let frame = frame();
        let map = frame.model_from_voxel();
        let crop = frame.crop_box();
        assert!(map.transform_point3(crop.min).length() < 1e-12);
        assert!((map.transform_point3(crop.max) - 1.0).length() < 1e-12);
        let moved = map.transform_point3(crop.min + DVec3::X * 32.0);
        assert!((moved - DVec3::new(0.0, 0.0, 0.5)).length() < 1e-12);
        let patient = frame.grid().patient_from_voxel().transform_point3(crop.max);
        assert!((frame.model_from_patient().transform_point3(patient) - 1.0).length() < 1e-9);
        let effective = frame.effective_voxel_mm([32, 64, 64]);
        assert!((effective - DVec3::new(0.5, 0.25, 2.0)).length() < 1e-12);
    }

    #[test]
    fn logits_of_another_length_draw_nothing() {
        assert_eq!(frame().mask_from_logits(&[1.0; 5]).count(), 0);
        let full = frame().mask_from_logits(&vec![1.0; 32 * 64 * 128]);
        assert_eq!(full.count(), 64 * 32 * 32);
        assert_eq!(full.bounding_box(), Some(frame().crop_box()));
    }

    #[test]
    fn empty_crops_and_sizes_are_refused() {
        let grid = *frame().grid();
        let three = UVec3::splat(3);
        assert!(framed(grid, three, three, [1, 1, 1]).is_err());
        assert!(framed(grid, three, UVec3::splat(99), [1, 1, 1]).is_err());
        assert!(framed(grid, UVec3::ZERO, three, [1, 0, 1]).is_err());
    }
}
