//! Measuring in the real window: lines, angles and regions drawn with the mouse, changed, taken back.

#[path = "support/window.rs"]
mod window;

use egui::{Event, Key, Modifiers, PointerButton, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use glam::{DVec2, DVec3};
use m3d_imaging::geometry::{Orientation, SlicePlane, SliceView};
use m3d_viewer::app::{Finding, Reading};
use m3d_viewer::ui::Viewer;

use window::{axial, centre_of, drag, open_sample, wheel};

fn only(harness: &Harness<Viewer>) -> Finding {
    let findings = &harness.state().app.workspace.findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings[0].clone()
}

fn reading(harness: &Harness<Viewer>) -> Reading {
    only(harness).measurement().unwrap().reading().unwrap()
}

/// The axial picture as it lies on the screen.
fn picture(harness: &Harness<Viewer>) -> (egui::Rect, SliceView) {
    let rect = harness.get_by_label("Axial view").rect();
    let seen = axial(harness);
    let plane = SlicePlane::new(seen.grid(), Orientation::Axial);
    let size = DVec2::new(
        f64::from(rect.width().round()),
        f64::from(rect.height().round()),
    );
    (
        rect,
        SliceView::fit(seen.grid(), plane, seen.cursor_mm(), size),
    )
}

fn patient(harness: &Harness<Viewer>, at: Pos2) -> DVec3 {
    let (rect, view) = picture(harness);
    let away = at - rect.min;
    view.patient_from_pixel(DVec2::new(f64::from(away.x), f64::from(away.y)))
}

fn click(harness: &mut Harness<Viewer>, at: Pos2) {
    for pressed in [true, false] {
        harness.event(Event::PointerMoved(at));
        harness.event(Event::PointerButton {
            pos: at,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        });
        harness.step();
    }
    // Two clicks at one place make a double click only when they are meant to.
    for _ in 0..30 {
        harness.step();
    }
}

fn press(harness: &mut Harness<Viewer>, key: Key) {
    harness.key_press(key);
    harness.run_steps(2);
}

#[test]
fn a_line_is_as_long_as_it_was_drawn_and_is_one_step() {
    let mut harness = open_sample(None);
    let middle = centre_of(&harness, "Axial view");
    let (from, to) = (
        middle - Vec2::new(70.0, 20.0),
        middle + Vec2::new(30.0, 55.0),
    );
    press(&mut harness, Key::T);
    drag(&mut harness, PointerButton::Primary, from, to);
    harness.run_steps(2);
    let wanted = patient(&harness, from).distance(patient(&harness, to));
    let Reading::Length(mm) = reading(&harness) else {
        panic!("a length");
    };
    assert!((mm - wanted).abs() < 1e-6, "{mm}, {wanted}");
    assert!(wanted > 30.0);

    // An end is moved, then the whole line.
    let end = to + Vec2::new(-40.0, 10.0);
    drag(&mut harness, PointerButton::Primary, to, end);
    harness.run_steps(2);
    let wanted = patient(&harness, from).distance(patient(&harness, end));
    assert!(matches!(reading(&harness), Reading::Length(mm) if (mm - wanted).abs() < 1e-6));
    let moved = from.lerp(end, 0.5);
    drag(
        &mut harness,
        PointerButton::Primary,
        moved,
        moved + Vec2::new(15.0, -12.0),
    );
    harness.run_steps(2);
    let place = only(&harness).measurement().unwrap().points_mm[0];
    let wanted_place = patient(&harness, from + Vec2::new(15.0, -12.0));
    assert!(place.distance(wanted_place) < 1e-6);

    // Three steps, taken back one by one.
    let app = &harness.state().app;
    assert_eq!(app.history.undo_label(), Some("move Length 1"));
    for left in [1, 1, 0] {
        harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
        harness.run_steps(2);
        assert_eq!(harness.state().app.workspace.findings.len(), left);
    }
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.run_steps(2);
    assert!(matches!(reading(&harness), Reading::Length(_)));
}

#[test]
fn angles_and_polygons_are_drawn_by_clicks_and_escape_gives_them_up() {
    let mut harness = open_sample(None);
    let middle = centre_of(&harness, "Axial view");
    press(&mut harness, Key::A);
    click(&mut harness, middle + Vec2::new(60.0, 0.0));
    click(&mut harness, middle);
    // Two that are set, and the one under the pointer.
    assert_eq!(only(&harness).measurement().unwrap().points_mm.len(), 3);
    click(&mut harness, middle + Vec2::new(0.0, -45.0));
    assert!(matches!(reading(&harness), Reading::Angle(a) if (a - 90.0).abs() < 1e-6));
    press(&mut harness, Key::Delete);
    assert!(harness.state().app.workspace.findings.is_empty());

    press(&mut harness, Key::G);
    let corners = [[-40.0, -30.0], [40.0, -30.0], [40.0, 30.0], [-40.0, 30.0]];
    for [x, y] in corners {
        click(&mut harness, middle + Vec2::new(x, y));
    }
    click(&mut harness, middle + Vec2::new(-39.0, -29.0));
    let [a, b, c, _] = corners.map(|[x, y]| patient(&harness, middle + Vec2::new(x, y)));
    let Reading::Region { area_mm2, .. } = reading(&harness) else {
        panic!("an area");
    };
    let wanted = a.distance(b) * b.distance(c);
    assert!((area_mm2 - wanted).abs() < 1e-6, "{area_mm2}, {wanted}");

    // One that was begun and given up is not there, and is no step.
    press(&mut harness, Key::A);
    click(&mut harness, middle + Vec2::new(90.0, 60.0));
    press(&mut harness, Key::Escape);
    assert_eq!(harness.state().app.workspace.findings.len(), 1);
    let label = harness.state().app.history.undo_label().map(str::to_owned);
    assert_eq!(label.as_deref(), Some("draw polygon"));
}

#[test]
fn a_region_has_the_values_of_its_slice_and_is_seen_there_alone() {
    let mut harness = open_sample(None);
    let middle = centre_of(&harness, "Axial view");
    press(&mut harness, Key::Q);
    let (from, to) = (
        middle - Vec2::new(45.0, 30.0),
        middle + Vec2::new(35.0, 25.0),
    );
    drag(&mut harness, PointerButton::Primary, to, from);
    harness.run_steps(3);
    let found = only(&harness);
    let seen = axial(&harness);
    let figures = harness.state().app.figures_of(&found, &seen).unwrap();
    // Counted plainly: voxels of the slice whose centres lie between the corners.
    let [a, b] = [from, to].map(|at| patient(&harness, at));
    let (low, high) = (a.min(b), a.max(b));
    let grid = seen.grid();
    let slice = grid.voxel_from_patient().transform_point3(a).z.round() as u32;
    let mut values = Vec::new();
    for j in 0..grid.dims().y {
        for i in 0..grid.dims().x {
            let voxel = glam::UVec3::new(i, j, slice);
            let centre = grid.patient_from_voxel().transform_point3(voxel.as_dvec3());
            let at = centre.truncate();
            let inside = at.cmpge(low.truncate()).all() && at.cmple(high.truncate()).all();
            values.extend(inside.then(|| f64::from(seen.volume().value(voxel).unwrap())));
        }
    }
    assert!(values.len() > 100);
    assert_eq!(figures.count, values.len());
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    assert!((figures.values.unwrap().mean - mean).abs() < 1e-6);

    // 9 is the window for what is inside.
    let values = figures.values.unwrap();
    press(&mut harness, Key::Num9);
    let window = axial(&harness).window();
    let [low, high] = window.range().map(f64::from);
    assert!(low >= values.min - 1e-3 && high <= values.max + 1e-3);
    assert!((low - (values.mean - 2.0 * values.std).max(values.min)).abs() < 0.01);

    // Words beside it: they can be moved, and the region stays.
    let before = found.measurement().unwrap().clone();
    let words = Pos2::new(to.x + 30.0, to.y - 55.0 / 2.0);
    let near = [0.0, -27.5, 27.5].map(|y| words + Vec2::new(0.0, y));
    for at in near {
        drag(
            &mut harness,
            PointerButton::Primary,
            at,
            at + Vec2::new(40.0, 30.0),
        );
        harness.run_steps(2);
        if only(&harness).measurement().unwrap().label_mm.is_some() {
            break;
        }
        assert_eq!(
            harness.state().app.workspace.findings.len(),
            1,
            "hit no words at {at:?}"
        );
    }
    let after = only(&harness).measurement().unwrap().clone();
    assert!(after.label_mm.is_some());
    assert_eq!(after.points_mm, before.points_mm);

    // Two slices on it is not taken hold of.
    wheel(&mut harness, middle, 3.0);
    harness.run_steps(2);
    press(&mut harness, Key::W);
    drag(
        &mut harness,
        PointerButton::Primary,
        to,
        to + Vec2::new(20.0, 20.0),
    );
    harness.run_steps(2);
    assert_eq!(
        only(&harness).measurement().unwrap().points_mm,
        after.points_mm
    );
}

/// A quick hand has moved on before the press is seen: what was under the press is taken, also the end of a line that is not
/// chosen, with another tool in hand.
#[test]
fn an_end_is_taken_where_the_button_went_down() {
    let mut harness = open_sample(None);
    let middle = centre_of(&harness, "Axial view");
    let (from, to) = (
        middle - Vec2::new(60.0, 10.0),
        middle + Vec2::new(40.0, 35.0),
    );
    press(&mut harness, Key::T);
    drag(&mut harness, PointerButton::Primary, from, to);
    press(&mut harness, Key::W);
    click(&mut harness, middle + Vec2::new(90.0, -70.0));
    assert!(harness.state().app.selected().next().is_none());
    let window = axial(&harness).window();
    let end = to + Vec2::new(50.0, 20.0);
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(Event::PointerMoved(to));
    harness.step();
    harness.event(button(to, true));
    harness.event(Event::PointerMoved(end));
    harness.step();
    harness.step();
    harness.event(button(end, false));
    harness.step();
    harness.run_steps(2);
    assert_eq!(axial(&harness).window(), window);
    let points = only(&harness).measurement().unwrap().points_mm.clone();
    assert!(points[0].distance(patient(&harness, from)) < 1e-6);
    assert!(points[1].distance(patient(&harness, end)) < 1e-6);
}

/// On a slow connection a whole drag may come in one frame.
#[test]
fn a_drag_that_comes_all_at_once_is_a_drag() {
    let mut harness = open_sample(None);
    let middle = centre_of(&harness, "Axial view");
    let (from, to) = (middle, middle + Vec2::new(50.0, 40.0));
    press(&mut harness, Key::E);
    harness.event(Event::PointerMoved(from));
    harness.step();
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(button(from, true));
    harness.event(Event::PointerMoved(to));
    harness.event(button(to, false));
    harness.step();
    harness.run_steps(2);
    let points = only(&harness).measurement().unwrap().points_mm.clone();
    assert!(points[0].distance(patient(&harness, from)) < 1e-6);
    assert!(points[1].distance(patient(&harness, to)) < 1e-6);
    // It is complete: the pointer moves on without it.
    harness.hover_at(to + Vec2::new(30.0, 30.0));
    harness.run_steps(2);
    let after = only(&harness).measurement().unwrap().points_mm.clone();
    assert_eq!(after, points);
}
