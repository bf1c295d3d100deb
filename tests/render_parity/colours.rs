//! Images in colour: the GPU against the CPU twins.

use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::{Blend, Rescale, TransferFunction, Voxels, Window};
use m3d_viewer::render::{
    ColourMap, LabelTexture, LayerStyle, ViewSlot, VolumeTexture, cpu, read_back,
};

use crate::scenes::{
    STYLES, colour_volume, difference, gpu, label_map, oblique_place, point, ray_config,
    slice_config, volume_of, volumes,
};

#[test]
fn slices_in_colour_agree_with_the_twin() {
    let Some((gpu, renderer, _)) = gpu() else {
        return;
    };
    let volume = colour_volume();
    let texture = VolumeTexture::upload(gpu, &volume).unwrap();
    let labels = label_map(volume.grid());
    let label_texture = LabelTexture::upload(gpu, &labels).unwrap();
    // A colour image under a grey one and over it, too.
    let grey = volumes().remove(0);
    let grey_texture = VolumeTexture::upload(gpu, &grey).unwrap();
    let mut slot = ViewSlot::new(gpu);
    for orientation in Orientation::ALL {
        for variant in 0..6 {
            let mut config = slice_config(volume.grid(), orientation);
            let grey_style = config.layers[0];
            let mut style = LayerStyle::grey(Window::COLOURS);
            style.interpolate = variant != 1;
            style.invert = variant == 2;
            // Colours have no use for a colour map.
            style.colours = ColourMap::Rainbow;
            if variant == 3 {
                style.window = Window::from_range(60.0, 190.0);
                config.labels = STYLES.to_vec();
            }
            style.opacity = if variant == 5 { 0.4 } else { 1.0 };
            let half = LayerStyle {
                opacity: 0.5,
                ..grey_style
            };
            let (volumes, textures, styles) = match variant {
                4 => (
                    vec![&volume, &grey],
                    vec![&texture, &grey_texture],
                    vec![style, half],
                ),
                5 => (
                    vec![&grey, &volume],
                    vec![&grey_texture, &texture],
                    vec![grey_style, style],
                ),
                _ => (vec![&volume], vec![&texture], vec![style]),
            };
            config.layers = styles;
            renderer.draw(gpu, &mut slot, &textures, Some(&label_texture), &config);
            let found = read_back(gpu, &slot).unwrap();
            let wanted = cpu::slice(&volumes, Some(&labels), &config);
            let (largest, ..) = difference(&found, &wanted);
            assert!(largest <= 1, "{orientation:?} {variant}: {largest}");
            let coloured = |p: &&[u8]| p[0].abs_diff(p[1]) > 20 || p[1].abs_diff(p[2]) > 20;
            let coloured = wanted.rgba.chunks(4).filter(coloured).count();
            assert!(coloured > 2000, "the picture shows colours: {coloured}");
        }
    }
}

/// The 3-D view shows the luma, as of a grey image of the same values.
#[test]
fn ray_casting_of_colours_shows_their_luma() {
    let volume = colour_volume();
    let luma = volume.values_f32().iter().map(|&v| v as u8).collect();
    let dims = volume.grid().dims();
    let grey = volume_of(Voxels::U8(luma), dims, oblique_place(), Rescale::IDENTITY);
    for blend in [Blend::Composite, Blend::MaximumIntensity] {
        let mut config = ray_config(volume.grid(), blend);
        config.transfer = TransferFunction::new(
            vec![
                point(100.0, [0.6, 0.2, 0.1], 0.0),
                point(150.0, [0.9, 0.8, 0.6], 0.4),
                point(220.0, [1.0, 1.0, 0.9], 0.9),
            ],
            blend,
        );
        let wanted = cpu::ray_cast(&grey, None, &config);
        assert_eq!(cpu::ray_cast(&volume, None, &config), wanted);
        let Some((gpu, _, renderer)) = gpu() else {
            continue;
        };
        let [found, wanted] = [&volume, &grey].map(|volume| {
            let mut slot = ViewSlot::new(gpu);
            let texture = VolumeTexture::upload(gpu, volume).unwrap();
            renderer.draw(gpu, &mut slot, &texture, None, &config, None);
            read_back(gpu, &slot).unwrap()
        });
        let (largest, mean, _) = difference(&found, &wanted);
        assert!(largest <= 1, "{blend:?}: {largest}, mean {mean}");
    }
}
