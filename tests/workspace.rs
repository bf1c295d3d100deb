//! The reader's work under arbitrary changes: every edit has its inverse, every step can be taken back and
//! made again.

use std::sync::Arc;

use glam::{DAffine3, DVec2, DVec3, UVec3};
use m3d_imaging::geometry::{Orientation, VoxelGrid};
use m3d_imaging::volume::{
    Digest, ImageIdentity, ImageKey, Mask, Modality, Paint, VolumePreset, Window,
};
use m3d_viewer::app::{
    Card, CardId, CardState, Content, Display, Edit, Finding, FindingColour, FindingId, Frame,
    History, ImageRecord, KeyImage, KeyImageId, Layer, Layout, Links, Look, Measurement,
    MeasurementKind, PatientBox, Piece, Report, Section, SectionKind, Sentence, Shape,
    StandardLayout, Step, StudyId, View, ViewId, ViewKind, Workspace,
};
use m3d_viewer::render::ColourMap;
use proptest::prelude::*;

fn grid() -> VoxelGrid {
    let place = DAffine3::from_scale(DVec3::new(1.0, 1.5, 3.0));
    VoxelGrid::new(UVec3::new(40, 33, 9), place).unwrap()
}

fn image(n: u8) -> ImageKey {
    if n == 0 {
        let sha256 = Digest::of(b"a file");
        return ImageKey::File { sha256 };
    }
    ImageKey::Dicom {
        patient: "1@".into(),
        study_uid: "1.2".into(),
        series_uid: format!("1.2.{n}"),
        part: 1,
    }
}

fn record(n: u8) -> ImageRecord {
    ImageRecord {
        identity: ImageIdentity {
            key: image(n),
            digest: Digest::of(&[n]),
        },
        grid: grid(),
        modality: Modality::Ct,
        modality_code: "CT".into(),
        description: String::new(),
        times: 1,
        frame_uid: (n > 1).then(|| "1.9".into()),
        patient: "Doe^Jane".into(),
        study_date: String::new(),
    }
}

fn layer(n: u8) -> Layer {
    Layer {
        image: image(n),
        time: 0,
        window: Window::new(f32::from(n), 100.0),
        invert: n == 1,
        colour_map: ColourMap::Grey,
        opacity: 1.0,
    }
}

fn arb_point() -> impl Strategy<Value = DVec3> {
    (-50.0..50.0, -50.0..50.0, -50.0..50.0).prop_map(|(x, y, z)| DVec3::new(x, y, z))
}

fn arb_box() -> impl Strategy<Value = PatientBox> {
    (arb_point(), arb_point()).prop_map(|(a, b)| PatientBox { corners_mm: [a, b] })
}

fn arb_shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        arb_box().prop_map(Shape::Box),
        (arb_point(), arb_point()).prop_map(|(a, b)| {
            Shape::Measurement(Box::new(Measurement {
                kind: MeasurementKind::Ellipse,
                points_mm: vec![a, b],
                axes: [DVec3::X, DVec3::Y],
                label_mm: None,
            }))
        }),
        (0_usize..4000).prop_map(|offset| {
            let mut mask = Mask::empty(grid());
            mask.insert(offset);
            Shape::Mask(Arc::new(mask))
        }),
    ]
}

fn arb_finding() -> impl Strategy<Value = Finding> {
    (0_u64..5, 0_u8..4, "[a-z]{0,3}", any::<bool>(), arb_shape()).prop_map(
        |(id, n, name, visible, shape)| Finding {
            id: FindingId(id),
            colour: FindingColour::Row(id as usize),
            visible,
            ..Finding::new(&image(n), name, shape)
        },
    )
}

fn arb_look() -> impl Strategy<Value = Look> {
    (0.1..10.0, -9.0..9.0).prop_map(|(zoom, x)| Look {
        zoom,
        pan_mm: DVec2::new(x, -x),
        camera: None,
    })
}

fn arb_view() -> impl Strategy<Value = View> {
    (
        prop::collection::vec(0_u8..4, 0..3),
        arb_look(),
        any::<bool>(),
    )
        .prop_map(|(layers, look, volume)| View {
            kind: if volume {
                ViewKind::Volume
            } else {
                ViewKind::Slice(Orientation::Axial)
            },
            layers: layers.into_iter().map(layer).collect(),
            look,
            preset: VolumePreset::Ramp,
        })
}

fn arb_layout() -> impl Strategy<Value = Layout> {
    (0_usize..5, 0_u64..6, any::<bool>()).prop_map(|(n, id, maximised)| {
        let mut next = 0;
        let named = StandardLayout::ALL[n].layout(ViewKind::Volume);
        Layout {
            tree: named.tree.map(&mut |_| {
                next += 1;
                ViewId(next)
            }),
            maximised: maximised.then_some(ViewId(id)),
        }
    })
}

fn arb_card() -> impl Strategy<Value = Card> {
    (0_u64..4, 0_u8..4, "[a-z]{0,4}").prop_map(|(id, n, text)| Card {
        id: CardId(id),
        text,
        state: CardState::Done,
        findings: vec![FindingId(id)],
        ..Card::asked(
            record(n).identity,
            0,
            Window::new(40.0, 400.0),
            "?".into(),
            Some(m3d_assistant::inference::Task::Chat),
        )
    })
}

fn arb_piece() -> impl Strategy<Value = Piece> {
    let content = prop_oneof![
        "[a-z ]{0,6}".prop_map(Content::Text),
        (0_u64..5).prop_map(|id| Content::Finding(FindingId(id))),
        ("[a-z ]{0,6}", any::<bool>()).prop_map(|(text, accepted)| {
            Content::Sentence(Sentence {
                text,
                card: CardId(1),
                model: "a model".into(),
                accepted,
            })
        }),
    ];
    content.prop_map(Piece::new)
}

fn arb_report() -> impl Strategy<Value = Report> {
    let pieces = prop::collection::vec(arb_piece(), 0..5);
    let section = pieces.prop_map(|pieces| Section {
        heading: "Liver".into(),
        kind: SectionKind::Findings,
        about: vec!["liver".into()],
        pieces,
    });
    let sections = prop::collection::vec(section, 0..3);
    (0_u8..4, sections, prop::option::of(arb_point())).prop_map(|(n, sections, key)| Report {
        image: image(n),
        template: "a template".into(),
        sections,
        key_images: key
            .map(|point_mm| KeyImage {
                id: KeyImageId(1),
                image: image(n),
                time: 0,
                orientation: Orientation::Axial,
                point_mm,
                window: Window::new(40.0, 400.0),
                invert: false,
                caption: String::new(),
            })
            .into_iter()
            .collect(),
    })
}

fn arb_frame() -> impl Strategy<Value = Frame> {
    (0_u8..4).prop_map(|n| record(n).frame())
}

fn arb_edit() -> impl Strategy<Value = Edit> {
    let place = prop_oneof![Just(usize::MAX), 0_usize..6];
    let maybe = |half: bool| half;
    prop_oneof![
        (place.clone(), arb_finding()).prop_map(|(place, finding)| Edit::Finding {
            id: finding.id,
            place,
            finding: Some(Box::new(finding)),
        }),
        (0_u64..5).prop_map(|id| Edit::remove(FindingId(id))),
        (0_u64..5, arb_point(), 1.0..20.0).prop_map(|(id, centre, radius)| {
            let mut mask = Mask::empty(grid());
            mask.paint_ball(centre.abs(), radius, Paint::Add);
            let patch = mask.edit(|mask| mask.paint_ball(centre.abs(), 99.0, Paint::Erase));
            Edit::Paint {
                id: FindingId(id),
                patch: Box::new(patch),
            }
        }),
        (0_u8..4, prop::option::of(arb_box())).prop_map(|(n, region)| Edit::Region {
            image: image(n),
            region,
        }),
        (0_u64..6, prop::option::of(arb_view())).prop_map(|(id, view)| Edit::View {
            id: ViewId(id),
            view: view.map(Box::new),
        }),
        (0_u64..6, arb_look()).prop_map(|(id, look)| Edit::Look {
            id: ViewId(id),
            look,
        }),
        arb_layout().prop_map(Edit::Layout),
        (arb_frame(), prop::option::of(arb_point()))
            .prop_map(|(frame, point_mm)| Edit::Cursor { frame, point_mm }),
        (arb_frame(), prop::option::of(arb_point()))
            .prop_map(|(frame, point_mm)| Edit::Anchor { frame, point_mm }),
        (any::<bool>(), any::<bool>()).prop_map(move |(zoom, window)| Edit::Links(Links {
            zoom,
            window: maybe(window)
        })),
        (any::<bool>(), 0.0_f32..1.0).prop_map(|(interpolate, mask_opacity)| {
            Edit::Display(Display {
                interpolate,
                mask_opacity,
            })
        }),
        (place, arb_card()).prop_map(|(place, card)| Edit::Card {
            id: card.id,
            place,
            card: Some(Box::new(card)),
        }),
        (0_u64..4).prop_map(|id| Edit::Card {
            id: CardId(id),
            place: usize::MAX,
            card: None,
        }),
        arb_report().prop_map(Edit::report),
        (0_u8..4).prop_map(|n| Edit::Report {
            study: StudyId::of(&image(n)),
            report: None,
        }),
        (0_u8..4, any::<bool>()).prop_map(|(n, there)| Edit::Image {
            key: image(n),
            record: there.then(|| Box::new(record(n))),
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_edit_is_taken_back_by_its_inverse(edits in prop::collection::vec(arb_edit(), 1..40)) {
        let start = Workspace::default();
        let mut workspace = start.clone();
        let mut inverses = Vec::new();
        let mut states = Vec::new();
        for edit in edits {
            states.push(workspace.clone());
            let inverse = workspace.apply(edit);
            // Once back and forth on the way.
            let after = workspace.clone();
            let again = workspace.apply(inverse);
            prop_assert_eq!(&workspace, states.last().unwrap());
            let inverse = workspace.apply(again);
            prop_assert_eq!(&workspace, &after);
            inverses.push(inverse);
        }
        while let Some(inverse) = inverses.pop() {
            workspace.apply(inverse);
            prop_assert_eq!(&workspace, &states.pop().unwrap());
        }
        prop_assert_eq!(&workspace, &start);
    }

    #[test]
    fn steps_of_any_grouping_are_taken_back_and_made_again(
        edits in prop::collection::vec((arb_edit(), 0_u64..4), 1..40),
    ) {
        let mut workspace = Workspace::default();
        let mut history = History::default();
        let mut before = Vec::new();
        let mut last = None;
        for (edit, group) in edits {
            // Group 0 stands for steps by themselves.
            if group == 0 || last != Some(group) {
                before.push(workspace.clone());
            }
            last = (group > 0).then_some(group);
            let step = Step { label: "edit".into(), group: last };
            history.apply(&mut workspace, edit, step);
        }
        let end = workspace.clone();
        let count = before.len();
        for state in before.iter().rev() {
            prop_assert!(history.undo(&mut workspace).is_some());
            prop_assert_eq!(&workspace, state);
        }
        prop_assert_eq!(history.undo(&mut workspace), None);
        for _ in 0..count {
            prop_assert!(history.redo(&mut workspace).is_some());
        }
        prop_assert_eq!(history.redo(&mut workspace), None);
        prop_assert_eq!(&workspace, &end);
        // And back once more, from what was made again.
        for state in before.iter().rev() {
            history.undo(&mut workspace);
            prop_assert_eq!(&workspace, state);
        }
    }
}

fn with_a_box(id: u64, name: &str) -> Finding {
    Finding {
        id: FindingId(id),
        ..Finding::new(
            &image(1),
            name,
            Shape::Box(PatientBox {
                corners_mm: [DVec3::ZERO, DVec3::ONE],
            }),
        )
    }
}

#[test]
fn undo_and_redo_name_the_step() {
    let mut workspace = Workspace::default();
    let mut history = History::default();
    let mut apply = |history: &mut History, edit, label: &'static str| {
        history.apply(&mut workspace, edit, Step::new(label));
    };
    assert_eq!((history.undo_label(), history.redo_label()), (None, None));
    apply(&mut history, Edit::add(with_a_box(1, "liver")), "add liver");
    apply(&mut history, Edit::remove(FindingId(1)), "remove liver");
    assert_eq!(history.undo_label(), Some("remove liver"));
    assert_eq!(
        history.undo(&mut workspace).as_deref(),
        Some("remove liver")
    );
    assert_eq!(history.undo_label(), Some("add liver"));
    assert_eq!(history.redo_label(), Some("remove liver"));
    assert_eq!(workspace.findings.len(), 1);
    // Something new takes away what could be made again.
    history.apply(
        &mut workspace,
        Edit::add(with_a_box(2, "spleen")),
        Step::new("add spleen"),
    );
    assert_eq!(history.redo_label(), None);
}

#[test]
fn a_drag_is_one_step_and_can_be_given_up() {
    let mut workspace = Workspace::default();
    let mut history = History::default();
    let region = |x: f64| Edit::Region {
        image: image(1),
        region: Some(PatientBox {
            corners_mm: [DVec3::ZERO, DVec3::splat(x)],
        }),
    };
    let start = workspace.clone();
    history.apply(&mut workspace, region(1.0), Step::new("draw box"));
    let drawn = workspace.clone();
    let group = Step::group();
    let bytes = history.byte_len();
    for n in 2..200 {
        history.apply(
            &mut workspace,
            region(f64::from(n)),
            Step::of_group("move box", group),
        );
    }
    // A long drag holds one inverse, not two hundred.
    assert!(history.byte_len() < bytes * 3, "{}", history.byte_len());
    let moved = workspace.clone();
    history.undo(&mut workspace);
    assert_eq!(workspace, drawn);
    history.redo(&mut workspace);
    assert_eq!(workspace, moved);
    history.undo(&mut workspace);
    let group = Step::group();
    history.apply(
        &mut workspace,
        region(9.0),
        Step::of_group("move box", group),
    );
    history.cancel(&mut workspace, group);
    assert_eq!(workspace, drawn);
    assert_eq!(history.undo_label(), Some("draw box"));
    // What is no part of a drag is not given up with it.
    history.cancel(&mut workspace, group);
    assert_eq!(workspace, drawn);
    history.undo(&mut workspace);
    assert_eq!(workspace, start);
}

#[test]
fn the_history_is_bounded_by_bytes() {
    let mut workspace = Workspace::default();
    let mut history = History::bounded(64 << 10);
    for n in 0..2000 {
        let finding = with_a_box(n, &"long name ".repeat(20));
        history.apply(&mut workspace, Edit::add(finding), Step::new("add"));
        history.apply(
            &mut workspace,
            Edit::remove(FindingId(n)),
            Step::new("remove"),
        );
    }
    assert!(history.byte_len() <= 64 << 10);
    let mut steps = 0;
    while history.undo(&mut workspace).is_some() {
        steps += 1;
    }
    assert!((20..2000).contains(&steps), "{steps}");
}

#[test]
fn frames_that_are_compared_move_together() {
    let mut workspace = Workspace::default();
    for n in [1, 2] {
        let record = Some(Box::new(record(n)));
        let key = image(n);
        workspace.apply(Edit::Image { key, record });
    }
    let [a, b] = [record(1).frame(), record(2).frame()];
    assert_ne!(a, b);
    let move_a = |workspace: &mut Workspace, point| {
        for edit in workspace.cursor_to(&a, point) {
            workspace.apply(edit);
        }
    };
    move_a(&mut workspace, DVec3::splat(3.0));
    assert_eq!(workspace.cursors.get(&b), None);
    for (frame, point) in [(&a, DVec3::splat(3.0)), (&b, DVec3::new(10.0, 0.0, 7.0))] {
        workspace.apply(Edit::Anchor {
            frame: frame.clone(),
            point_mm: Some(point),
        });
    }
    move_a(&mut workspace, DVec3::new(3.0, 3.0, 5.0));
    assert_eq!(workspace.cursors[&b], DVec3::new(10.0, 0.0, 9.0));
}
