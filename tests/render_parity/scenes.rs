//! What the tests draw, and how they compare pictures.

use std::sync::OnceLock;

use glam::{DAffine3, DQuat, DVec2, DVec3, UVec3};
use m3d_imaging::geometry::{Camera, Orientation, SlicePlane, SliceView, VoxelGrid};
use m3d_imaging::volume::{
    Blend, ControlPoint, LabelMap, Mask, Modality, Rescale, TransferFunction, Units, Volume,
    Voxels, Window,
};
use m3d_viewer::render::{
    Gpu, LabelStyle, LayerStyle, Picture, RayCastConfig, SliceConfig, SliceRenderer, VolumeRenderer,
};

/// The adapter, with both renderers; `None`, told once, where there is none.
pub(crate) fn gpu() -> Option<&'static (Gpu, SliceRenderer, VolumeRenderer)> {
    static GPU: OnceLock<Option<(Gpu, SliceRenderer, VolumeRenderer)>> = OnceLock::new();
    GPU.get_or_init(|| match Gpu::headless() {
        Ok(gpu) => {
            eprintln!("adapter: {}", gpu.adapter_name());
            let (slices, volumes) = (SliceRenderer::new(&gpu), VolumeRenderer::new(&gpu));
            Some((gpu, slices, volumes))
        }
        Err(why) => {
            eprintln!("skipped: comparisons of the GPU with the CPU twins: {why}");
            None
        }
    })
    .as_ref()
}

/// Far from the patient's origin, oblique, anisotropic, and mirrored (a negative direction cosine).
pub(crate) fn oblique_place() -> DAffine3 {
    let turn = DQuat::from_euler(glam::EulerRot::XYZ, 0.31, -0.23, 0.17);
    DAffine3::from_scale_rotation_translation(
        DVec3::new(-0.8, 1.1, 2.3),
        turn,
        DVec3::new(812.3, -604.7, 1519.9),
    )
}

/// A smooth but busy scene with a hard-edged bright ball, as shares of 1 by voxel.
pub(crate) fn scene(dims: UVec3) -> Vec<f64> {
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                let at = UVec3::new(i, j, k).as_dvec3() / (dims.as_dvec3() - 1.0);
                let waves = (at.x * 9.0).sin() * (at.y * 7.0).cos() * (at.z * 5.0).sin();
                let ball = (at - DVec3::new(0.45, 0.55, 0.5)).length() < 0.22;
                values.push((0.35 + 0.25 * waves + if ball { 0.35 } else { 0.0 }).clamp(0.0, 1.0));
            }
        }
    }
    values
}

pub(crate) fn volume_of(voxels: Voxels, dims: UVec3, place: DAffine3, rescale: Rescale) -> Volume {
    let grid = VoxelGrid::new(dims, place).unwrap();
    Volume::new(grid, voxels, rescale, Modality::Other, Units::Arbitrary).unwrap()
}

/// The scene in each voxel type, over the type's own range, with the rescale that makes it 0 to 1000.
pub(crate) fn volumes() -> Vec<Volume> {
    let dims = UVec3::new(37, 29, 23);
    let shares = scene(dims);
    let spread = |low: f64, high: f64| shares.iter().map(move |s| low + s * (high - low));
    let cases = [
        (
            Voxels::U8(spread(0.0, 255.0).map(|v| v as u8).collect()),
            0.0,
            255.0,
        ),
        (
            Voxels::I8(spread(-128.0, 127.0).map(|v| v as i8).collect()),
            -128.0,
            127.0,
        ),
        (
            Voxels::U16(spread(0.0, 65535.0).map(|v| v as u16).collect()),
            0.0,
            65535.0,
        ),
        (
            Voxels::I16(spread(-32768.0, 32767.0).map(|v| v as i16).collect()),
            -32768.0,
            32767.0,
        ),
        (
            Voxels::I32(spread(-9e5, 7e5).map(|v| v as i32).collect()),
            -9e5,
            7e5,
        ),
        (
            Voxels::F32(spread(-2.5, 40.0).map(|v| v as f32).collect()),
            -2.5,
            40.0,
        ),
    ];
    cases
        .into_iter()
        .map(|(voxels, low, high)| {
            let slope = 1000.0 / (high - low);
            let rescale = Rescale {
                slope,
                intercept: -low * slope,
            };
            volume_of(voxels, dims, oblique_place(), rescale)
        })
        .collect()
}

/// The scene in colours that vary apart.
pub(crate) fn colour_volume() -> Volume {
    let dims = UVec3::new(37, 29, 23);
    let shares = scene(dims);
    let others = shares.iter().cycle().skip(shares.len() / 3);
    let colours = shares.iter().zip(others).zip(0_u32..);
    let colours = colours.map(|((red, green), n)| {
        [
            (red * 255.0) as u8,
            (255.0 - green * 255.0) as u8,
            (n % 37 * 6) as u8,
        ]
    });
    let voxels = Voxels::Rgb8(colours.collect());
    volume_of(voxels, dims, oblique_place(), Rescale::IDENTITY)
}

/// Two overlapping masks.
pub(crate) fn label_map(grid: &VoxelGrid) -> LabelMap {
    let dims = grid.dims().as_dvec3();
    let ball = |centre: DVec3, radius: f64| {
        Mask::from_fn(*grid, |v| {
            ((v.as_dvec3() + 0.5) / dims).distance(centre) < radius
        })
    };
    let (a, b) = (
        ball(DVec3::new(0.3, 0.4, 0.5), 0.2),
        ball(DVec3::new(0.5, 0.5, 0.4), 0.17),
    );
    LabelMap::from_masks(*grid, [&a, &b])
}

pub(crate) const STYLES: [LabelStyle; 2] = [
    LabelStyle {
        colour: [0.9, 0.3, 0.1],
        opacity: 0.4,
        outline: false,
    },
    LabelStyle {
        colour: [0.1, 0.7, 0.95],
        opacity: 0.7,
        outline: true,
    },
];

/// How two pictures differ, by channel: the largest difference, the mean, and the share of pixels more
/// than 3 levels apart.
pub(crate) fn difference(a: &Picture, b: &Picture) -> (u8, f64, f64) {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let (mut largest, mut sum, mut apart) = (0, 0.0, 0_u32);
    for (p, q) in a.rgba.chunks(4).zip(b.rgba.chunks(4)) {
        let most = p.iter().zip(q).map(|(x, y)| x.abs_diff(*y)).max().unwrap();
        largest = largest.max(most);
        sum += p
            .iter()
            .zip(q)
            .map(|(x, y)| f64::from(x.abs_diff(*y)))
            .sum::<f64>()
            / 4.0;
        apart += u32::from(most > 3);
    }
    let pixels = a.rgba.len() as f64 / 4.0;
    (largest, sum / pixels, f64::from(apart) / pixels)
}

pub(crate) fn slice_config(grid: &VoxelGrid, orientation: Orientation) -> SliceConfig {
    let plane = SlicePlane::new(grid, orientation);
    let middle = grid.centre_mm() + plane.normal * 1.7;
    let mut view = SliceView::fit(grid, plane, middle, DVec2::new(211.0, 173.0));
    // Off the lattice, so that no pixel falls exactly between two voxels.
    view.centre_mm += plane.right * 0.1237 - plane.down * 0.0713;
    SliceConfig {
        view,
        layers: vec![LayerStyle::grey(Window::from_range(120.0, 930.0))],
        labels: Vec::new(),
    }
}

pub(crate) fn point(value: f32, colour: [f32; 3], opacity: f32) -> ControlPoint {
    ControlPoint {
        value,
        colour,
        opacity,
    }
}

/// Transparent below 500, with a haze and a firm part.
pub(crate) fn transfer(blend: Blend) -> TransferFunction {
    TransferFunction::new(
        vec![
            point(480.0, [0.6, 0.2, 0.1], 0.0),
            point(560.0, [0.8, 0.5, 0.3], 0.05),
            point(700.0, [0.9, 0.8, 0.6], 0.4),
            point(900.0, [1.0, 1.0, 0.9], 0.9),
        ],
        blend,
    )
}

pub(crate) fn ray_config(grid: &VoxelGrid, blend: Blend) -> RayCastConfig {
    let mut camera = Camera::facing(grid.centre_mm(), grid.radius_mm() * 0.9);
    camera.orbit(DVec2::new(0.6, -0.35));
    camera.pan(DVec2::new(0.03, -0.02));
    RayCastConfig {
        camera,
        size_px: [203, 170],
        transfer: transfer(blend),
        labels: Vec::new(),
        step_voxels: 0.5,
        shading: true,
        background: [0.05, 0.06, 0.09],
    }
}

/// A volume that is bright in a box of voxels (ends included).
pub(crate) fn bright_box(low: UVec3, high: UVec3, dims: UVec3, place: DAffine3) -> Volume {
    let mut values = Vec::new();
    for k in 0..dims.z {
        for j in 0..dims.y {
            for i in 0..dims.x {
                let v = UVec3::new(i, j, k);
                let inside = v.cmpge(low).all() && v.cmple(high).all();
                values.push(if inside { 1000_i16 } else { 0 });
            }
        }
    }
    volume_of(Voxels::I16(values), dims, place, Rescale::IDENTITY)
}

pub(crate) fn assert_ray_cast_agrees(what: &str, found: &Picture, wanted: &Picture) {
    let (largest, mean, apart) = difference(found, wanted);
    eprintln!(
        "{what}: largest {largest}, mean {mean:.4}, apart {:.4} %",
        apart * 100.0
    );
    assert!(mean < 1.0, "{what}: mean {mean}");
    assert!(apart <= 0.001, "{what}: {apart} of the pixels are apart");
    let first = wanted.rgba[0..3].to_vec();
    let drawn = wanted
        .rgba
        .chunks(4)
        .filter(|p| p[..3] != first[..])
        .count();
    assert!(drawn > 4000, "{what}: the picture shows something: {drawn}");
}
