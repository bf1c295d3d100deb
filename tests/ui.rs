//! The real window, driven by role and label on whatever adapter there is, software included.

#[path = "support/window.rs"]
mod window;

use egui::accesskit::Role;
use egui::{Event, Key, Modifiers, PointerButton, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use m3d_assistant::hub::{BuiltIn, ModelFolder};
use m3d_imaging::geometry::Orientation;
use m3d_viewer::app::{CardState, Command, ModelStatus, Settings, StartOptions, Tool, ViewKind};
use m3d_viewer::ui::Viewer;
use window::{
    axial, centre_of, drag, last_card, model, open_sample, seen, seen_as, start, start_with,
    type_question, wait, wait_for_answers, wait_for_model, wheel,
};

fn slice_of(harness: &Harness<Viewer>, orientation: Orientation) -> u32 {
    seen(harness).slice_position(orientation).1
}

#[test]
fn the_sample_opens_and_its_slices_scroll_by_wheel_and_keys() {
    let mut harness = open_sample(None);
    let axial = centre_of(&harness, "Axial view");
    let first = slice_of(&harness, Orientation::Axial);
    wheel(&mut harness, axial, 1.0);
    assert_eq!(slice_of(&harness, Orientation::Axial), first + 1);
    wheel(&mut harness, axial, -2.0);
    assert_eq!(slice_of(&harness, Orientation::Axial), first - 1);
    harness.key_press(Key::ArrowUp);
    harness.step();
    assert_eq!(slice_of(&harness, Orientation::Axial), first);
    // A single notch past the end stays at the end.
    wheel(&mut harness, axial, 500.0);
    assert_eq!(slice_of(&harness, Orientation::Axial), 19);
}

#[test]
fn dragging_windows_pans_and_zooms() {
    let mut harness = open_sample(None);
    let middle = centre_of(&harness, "Axial view");
    let before = axial(&harness).window();
    drag(
        &mut harness,
        PointerButton::Primary,
        middle,
        middle + Vec2::new(60.0, 30.0),
    );
    let after = axial(&harness).window();
    assert!(after.width > before.width && after.centre > before.centre);

    drag(
        &mut harness,
        PointerButton::Middle,
        middle,
        middle + Vec2::new(40.0, 0.0),
    );
    let pan = axial(&harness).view.look.pan_mm;
    assert!(pan.x < -5.0 && pan.y.abs() < 1e-6, "{pan}");
    drag(
        &mut harness,
        PointerButton::Secondary,
        middle,
        middle - Vec2::new(0.0, 50.0),
    );
    assert!(axial(&harness).view.look.zoom > 1.2);

    harness.key_press(Key::R);
    harness.step();
    assert_eq!(axial(&harness).view.look.zoom, 1.0);
    assert_eq!(axial(&harness).window(), before);
    harness.key_press(Key::Num2);
    harness.step();
    assert_eq!(axial(&harness).window().centre, -600.0);
}

#[test]
fn the_crosshair_links_the_views() {
    let mut harness = open_sample(None);
    harness.get_by_label("Crosshair").click();
    harness.step();
    let axial = centre_of(&harness, "Axial view");
    let before = (
        slice_of(&harness, Orientation::Sagittal),
        slice_of(&harness, Orientation::Axial),
    );
    drag(
        &mut harness,
        PointerButton::Primary,
        axial,
        axial + Vec2::new(50.0, 0.0),
    );
    // To the right of an axial view is the patient's left: sagittal slices count up that way.
    assert!(slice_of(&harness, Orientation::Sagittal) > before.0 + 10);
    assert_eq!(slice_of(&harness, Orientation::Axial), before.1);
}

#[test]
fn shift_and_a_move_drive_the_crosshair() {
    let mut harness = open_sample(None);
    let middle = centre_of(&harness, "Axial view");
    let before = slice_of(&harness, Orientation::Sagittal);
    harness.event(Event::PointerMoved(middle));
    harness.step();
    let there = middle + Vec2::new(60.0, 0.0);
    harness.event_modifiers(Event::PointerMoved(there), Modifiers::SHIFT);
    harness.step();
    assert!(slice_of(&harness, Orientation::Sagittal) > before + 10);
    // Without Shift the crosshair stays.
    let after = slice_of(&harness, Orientation::Sagittal);
    harness.event(Event::PointerMoved(middle));
    harness.step();
    assert_eq!(slice_of(&harness, Orientation::Sagittal), after);
}

#[test]
fn a_double_click_maximises_and_brings_back() {
    let mut harness = open_sample(None);
    let double_click = |harness: &mut Harness<Viewer>, at: Pos2| {
        harness.hover_at(at);
        harness.step();
        for pressed in [true, false, true, false] {
            harness.event(Event::PointerButton {
                pos: at,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
            harness.step();
        }
        // Long enough that the next click is a first one.
        harness.run_steps(40);
    };
    let at = centre_of(&harness, "Coronal view");
    double_click(&mut harness, at);
    let layout = |harness: &Harness<Viewer>| harness.state().app.workspace.layout.clone();
    assert!(layout(&harness).maximised.is_some());
    assert!(harness.query_by_label("Axial view").is_none());
    let at = centre_of(&harness, "Coronal view");
    double_click(&mut harness, at);
    assert_eq!(layout(&harness).maximised, None);
    harness.get_by_label("Axial view");
}

fn draw_box(harness: &mut Harness<Viewer>) {
    harness.key_press(Key::B);
    harness.step();
    assert_eq!(harness.state().app.tool, Tool::Box);
    let middle = centre_of(harness, "Axial view");
    let (from, to) = (
        middle - Vec2::new(60.0, 40.0),
        middle + Vec2::new(20.0, 30.0),
    );
    drag(harness, PointerButton::Primary, from, to);
}

#[test]
fn a_box_is_drawn_in_one_view_and_its_depth_changed_in_another() {
    let mut harness = open_sample(None);
    draw_box(&mut harness);
    let first = seen(&harness).region().unwrap();
    // The lower side, seen in the coronal view, is dragged up: the sample is a thin slab, which the box
    // fills at first.
    let coronal = harness.get_by_label("Coronal view").rect();
    let grid = *seen(&harness).grid();
    let handle = {
        let seen = seen_as(&harness, ViewKind::Slice(Orientation::Coronal));
        let size = glam::DVec2::new(f64::from(coronal.width()), f64::from(coronal.height()));
        let look = seen.view.look;
        let view = look.slice_view(&grid, Orientation::Coronal, seen.cursor_mm(), size);
        let mut lowest = first.centre();
        lowest.z = first.min.z;
        let pixel = view.pixel_from_patient(grid.patient_from_voxel().transform_point3(lowest));
        coronal.min + Vec2::new(pixel.x as f32, pixel.y as f32)
    };
    drag(
        &mut harness,
        PointerButton::Primary,
        handle,
        handle - Vec2::new(0.0, 12.0),
    );
    let changed = seen(&harness).region().unwrap();
    assert!(
        changed.min.z > first.min.z + 0.5,
        "{changed:?} was {first:?}"
    );
    assert!((changed.max.z - first.max.z).abs() < 1e-6);
    assert!((changed.min.x - first.min.x).abs() < 1e-6);
}

#[test]
fn the_box_is_the_same_whichever_way_it_is_dragged() {
    let mut harness = open_sample(None);
    harness.key_press(Key::B);
    harness.step();
    let middle = centre_of(&harness, "Sagittal view");
    let corners = [
        middle + Vec2::new(-50.0, -6.0),
        middle + Vec2::new(30.0, 8.0),
        middle + Vec2::new(-50.0, 8.0),
        middle + Vec2::new(30.0, -6.0),
    ];
    let mut boxes = Vec::new();
    for (from, to) in [(0, 1), (1, 0), (2, 3), (3, 2)] {
        harness.key_press(Key::Delete);
        harness.step();
        assert!(seen(&harness).region().is_none());
        drag(
            &mut harness,
            PointerButton::Primary,
            corners[from],
            corners[to],
        );
        boxes.push(seen(&harness).region().unwrap());
    }
    for other in &boxes[1..] {
        assert!(other.min.distance(boxes[0].min) < 1e-6, "{boxes:?}");
        assert!(other.max.distance(boxes[0].max) < 1e-6, "{boxes:?}");
    }
}

#[test]
fn a_drawn_box_is_described_and_the_answer_points_into_the_volume() {
    let mut harness = open_sample(Some(model()));
    wait_for_model(&mut harness);
    draw_box(&mut harness);
    harness.get_by_label("Describe").click();
    harness.step();
    let card = wait_for_answers(&mut harness);
    assert_eq!(card.state, CardState::Done, "{card:?}");
    // The prompt carries the box in the model's coordinates.
    assert!(card.prompt.contains("<bx_start>["), "{}", card.prompt);
    assert!(
        !card.text.is_empty() && card.findings.len() == 2,
        "{card:?}"
    );
    let kinds: Vec<bool> = seen(&harness)
        .findings()
        .map(|f| f.mask().is_some())
        .collect();
    assert!(kinds.contains(&true) && kinds.contains(&false));
    // The mask reaches the views.
    wait(&mut harness, "the mask to be drawn", |v| {
        v.app.seen_active().unwrap().labels.is_some()
    });
    harness.get_by_label_contains("Answer:");
}

#[test]
fn a_phrase_is_taken_for_a_segmentation_and_its_mask_changes_the_picture() {
    let mut harness = open_sample(Some(model()));
    wait_for_model(&mut harness);
    harness.run_steps(2);
    type_question(&mut harness, "left kidney");
    let rect = harness.get_by_label("Axial view").rect();
    let before = harness.render().unwrap();
    harness.get_by_label("Ask").click();
    wait(&mut harness, "the mask to be drawn", |v| {
        v.app.seen_active().unwrap().labels.is_some()
    });
    harness.run_steps(3);
    let after = harness.render().unwrap();
    let coloured = |picture: &image::RgbaImage| {
        let pixels = picture.enumerate_pixels();
        pixels
            .filter(|(x, y, _)| rect.shrink(30.0).contains(Pos2::new(*x as f32, *y as f32)))
            .filter(|(_, _, p)| i32::from(p.0[0]) - i32::from(p.0[2]) > 30)
            .count()
    };
    let (before, after) = (coloured(&before), coloured(&after));
    assert!(
        after > before + 500,
        "{before} then {after} coloured pixels"
    );
}

#[test]
fn an_answer_can_be_cancelled_and_the_next_one_comes() {
    let mut harness = open_sample(Some(model()));
    wait_for_model(&mut harness);
    // Enough questions that the last ones are still waiting when the key is pressed.
    for _ in 0..12 {
        harness
            .get_by_role_and_label(Role::Button, "Draft report")
            .click();
        harness.step();
    }
    harness.key_press(Key::Escape);
    wait(&mut harness, "the end of all questions", |v| {
        !v.app.is_answering()
    });
    let cards = &harness.state().app.workspace.cards;
    assert_eq!(cards.len(), 12);
    assert_eq!(cards[11].state, CardState::Cancelled);
    assert!(cards[11].text.is_empty());
    type_question(&mut harness, "What is in this image?");
    harness.get_by_label("Ask").click();
    wait(&mut harness, "the next answer", |v| {
        v.app.workspace.cards.len() == 13 && !v.app.is_answering()
    });
    assert_eq!(last_card(&harness).state, CardState::Done);
}

/// The folder of the model that is in use.
fn in_use(harness: &Harness<Viewer>) -> ModelFolder {
    match &harness.state().app.assistant.status {
        ModelStatus::Ready(facts) => facts.folder.clone(),
        other => panic!("there is no model: {other:?}"),
    }
}

#[test]
fn at_first_start_the_built_in_model_answers_and_says_what_it_is() {
    let mut harness = open_sample(None);
    wait_for_model(&mut harness);
    assert_eq!(in_use(&harness), BuiltIn::Small.into());
    harness.get_by_label("small");
    harness.get_by_label_contains("made from artificial phantoms");
    harness.run_steps(2);
    type_question(&mut harness, "Is there pleural effusion?");
    harness.get_by_label("Ask").click();
    harness.step();
    let card = wait_for_answers(&mut harness);
    assert_eq!(card.state, CardState::Done);
    assert_eq!(card.made_from.unwrap().model_name, "small");
}

/// The sample shows a slab of a real liver, 592 mL of it by the model's account.
#[test]
fn the_built_in_model_outlines_the_liver_of_the_sample() {
    let mut harness = open_sample(None);
    wait_for_model(&mut harness);
    harness.run_steps(2);
    type_question(&mut harness, "Segment the liver");
    harness.get_by_label("Ask").click();
    wait(&mut harness, "the mask to be drawn", |v| {
        v.app.seen_active().unwrap().labels.is_some()
    });
    let card = wait_for_answers(&mut harness);
    let raw = card.made_from.clone().unwrap().raw_text;
    assert!(raw.contains("[SEG]"), "{raw}");
    assert!(card.text.starts_with("Liver: at least "), "{}", card.text);
    assert!(!card.text.contains('['), "{}", card.text);
    let mask = seen(&harness).findings().find_map(|f| f.mask()).unwrap();
    let volume = mask.volume_ml();
    assert!((300.0..800.0).contains(&volume), "{volume} mL");
}

#[test]
fn a_chosen_model_is_used_and_random_weights_are_told() {
    let mut harness = start(None, Some(model()));
    wait_for_model(&mut harness);
    assert_eq!(in_use(&harness), model().into());
    harness.get_by_label_contains("Random weights: what it says means nothing");
    assert!(harness.query_by_label_contains("phantoms").is_none());
}

#[test]
fn the_model_in_the_settings_is_used_and_none_takes_its_place() {
    let place = tempfile::tempdir().unwrap();
    let settings_path = place.path().join("settings.json");
    let start_anew = || {
        start_with(StartOptions {
            settings_path: Some(settings_path.clone()),
            ..StartOptions::default()
        })
    };
    let mut harness = start_anew();
    harness.state_mut().app.use_model(model().into());
    wait_for_model(&mut harness);
    let mut harness = start_anew();
    wait_for_model(&mut harness);
    assert_eq!(in_use(&harness), model().into());
    harness.state_mut().app.use_model(BuiltIn::Small.into());
    let mut harness = start_anew();
    wait_for_model(&mut harness);
    assert_eq!(in_use(&harness), BuiltIn::Small.into());

    let gone = place.path().join("gone");
    let settings = Settings {
        model_folder: Some(gone.clone()),
        ..Settings::default()
    };
    settings.save(&settings_path).unwrap();
    let mut harness = start_anew();
    wait(&mut harness, "the error", |v| {
        matches!(v.app.assistant.status, ModelStatus::Failed(_))
    });
    harness.get_by_label_contains(gone.to_str().unwrap());
}

/// Gives the model's memory back.
fn unload(harness: &mut Harness<Viewer>) {
    wait_for_model(harness);
    harness.state_mut().app.run(Command::UnloadModel);
    wait(harness, "the memory", |v| {
        matches!(v.app.assistant.status, ModelStatus::Absent)
    });
}

#[test]
fn without_a_model_the_panel_says_what_to_choose() {
    let mut harness = open_sample(None);
    unload(&mut harness);
    harness.get_by_label_contains("the small model that is built in");
    harness.get_by_label_contains("M3D-LaMed-Phi-3-4B");
    harness.get_by_label("Choose model…");
}

#[test]
fn a_broken_model_is_named_and_the_viewer_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), "{ not json").unwrap();
    let mut harness = open_sample(Some(folder.path()));
    wait(&mut harness, "the error", |v| {
        matches!(v.app.assistant.status, ModelStatus::Failed(_))
    });
    harness.get_by_label_contains("config.json");
    let axial = centre_of(&harness, "Axial view");
    let before = slice_of(&harness, Orientation::Axial);
    wheel(&mut harness, axial, 1.0);
    assert_eq!(slice_of(&harness, Orientation::Axial), before + 1);
}

#[test]
fn a_folder_that_cannot_be_opened_leaves_what_is_open() {
    let mut harness = open_sample(None);
    let empty = tempfile::tempdir().unwrap();
    let revision = seen(&harness).image.revision;
    harness.key_combination_modifiers(Modifiers::COMMAND, &[Key::L]);
    harness.run_steps(2);
    let label = "Folder or file with DICOM or NIfTI images";
    harness
        .get_by_role_and_label(Role::TextInput, label)
        .type_text(empty.path().to_str().unwrap());
    harness.step();
    harness.get_by_label("Open this path").click();
    wait(&mut harness, "the notice", |v| {
        v.app.notices.iter().count() > 0
    });
    harness.get_by_label("Error");
    assert_eq!(seen(&harness).image.revision, revision);
    harness.get_by_label("Dismiss").click();
    harness.run_steps(2);
    assert!(harness.query_by_label("Error").is_none());
}

#[test]
fn what_the_program_is_not_is_always_on_screen() {
    let harness = start(None, None);
    harness.get_by_label("Research use only, not for diagnosis");
    let harness = open_sample(None);
    harness.get_by_label("Research use only, not for diagnosis");
}

/// Small pictures are compared pixel by pixel; `UPDATE_SNAPSHOTS=1` makes them again. They show no model, so that
/// they stay as they are when the one that is built in is trained again.
fn snapshot(mut harness: Harness<Viewer>, name: &str) {
    unload(&mut harness);
    harness.set_size(Vec2::new(900.0, 520.0));
    harness.remove_cursor();
    harness.run_steps(6);
    let options = egui_kittest::SnapshotOptions::new().max_failed_pixels(8_usize);
    harness.snapshot_options(name, &options);
}

#[test]
fn the_first_window_looks_as_it_did() {
    snapshot(start(None, None), "welcome");
}

#[test]
fn a_view_and_what_stands_over_it_look_as_they_did() {
    let mut harness = open_sample(None);
    let axial = axial(&harness).id;
    let app = &mut harness.state_mut().app;
    app.activate(axial);
    app.run(Command::Maximise);
    harness.run_steps(2);
    draw_box(&mut harness);
    wait(&mut harness, "the thumbnail and the values", |v| {
        let resources = &v.app.resources;
        !resources.thumbnails.is_empty() && !resources.figures.is_empty()
    });
    snapshot(harness, "axial_view_with_a_box");
}
