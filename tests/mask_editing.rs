//! Masks corrected in the real window: by hand, by operations, every act one step.

#[path = "support/window.rs"]
mod window;

use std::sync::Arc;

use egui::{Key, Modifiers, PointerButton, Pos2, Vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use m3d_imaging::volume::edit::ValueRange;
use m3d_imaging::volume::{Combine, Mask};
use m3d_viewer::app::{
    Command, Edit, Effect, Finding, MaskAct, MaskOperation, MaskSettings, MaskTool, Outbox, Step,
    Tool, WorkTab,
};
use m3d_viewer::ui::Viewer;
use window::{axial, centre_of, click, drag, open_sample, wait};

fn open() -> Harness<'static, Viewer> {
    let mut harness = open_sample(None);
    run(&mut harness, Command::Tab(WorkTab::Findings));
    harness
}

fn send(harness: &mut Harness<Viewer>, effect: Effect) {
    let mut outbox = Outbox::default();
    outbox.push(effect);
    harness.state_mut().app.handle(&mut outbox);
    harness.run_steps(3);
}

fn run(harness: &mut Harness<Viewer>, command: Command) {
    assert!(harness.state().app.can_run(command), "{command:?}");
    send(harness, Effect::Run(command));
}

fn findings<'a>(harness: &'a Harness<Viewer>) -> Vec<&'a Finding> {
    harness.state().app.workspace.findings.iter().collect()
}

/// The mask of the only finding, or of the one at a place in the list.
fn mask(harness: &Harness<Viewer>, place: usize) -> Mask {
    let all = findings(harness);
    Mask::clone(all[place].mask().unwrap())
}

fn settings(harness: &mut Harness<Viewer>, change: impl FnOnce(&mut MaskSettings)) {
    let mut settings = harness.state().app.masks.settings;
    change(&mut settings);
    send(harness, Effect::Mask(MaskAct::Settings(settings)));
}

fn middle(harness: &Harness<Viewer>) -> Pos2 {
    centre_of(harness, "Axial view")
}

fn idle(harness: &mut Harness<Viewer>) {
    harness.run_steps(2);
    wait(harness, "the jobs", |v| v.app.jobs.iter().next().is_none());
    harness.run_steps(3);
}

/// Runs an operation to its end.
fn operate(harness: &mut Harness<Viewer>, operation: MaskOperation) {
    run(harness, Command::Mask(operation));
    idle(harness);
}

fn undo(harness: &mut Harness<Viewer>) {
    harness.key_press_modifiers(Modifiers::COMMAND, Key::Z);
    harness.run_steps(3);
}

fn redo(harness: &mut Harness<Viewer>) {
    harness.key_press_modifiers(Modifiers::COMMAND | Modifiers::SHIFT, Key::Z);
    harness.run_steps(3);
}

#[test]
fn a_stroke_is_one_step_and_comes_back_exactly() {
    let mut harness = open();
    harness.key_press_modifiers(Modifiers::SHIFT, Key::B);
    harness.run_steps(2);
    assert_eq!(harness.state().app.tool, Tool::Mask(MaskTool::Brush));
    let at = middle(&harness);
    let to = at + Vec2::new(60.0, 25.0);
    drag(&mut harness, PointerButton::Primary, at, to);
    let first = mask(&harness, 0);
    let place = axial(&harness);
    let grid = *place.grid();
    let voxel = grid
        .voxel_from_patient()
        .transform_point3(place.cursor_mm());
    assert!(first.count() > 200, "{}", first.count());
    assert!(first.iter().all(|v| v.z == voxel.z.round() as u32));
    // As wide as the brush, where it went straight.
    let bounds = first.bounding_box().unwrap();
    let size_mm = bounds.size_mm(&grid);
    assert!(size_mm.y > 14.0, "{size_mm}");

    // It is seen.
    idle(&mut harness);
    let inside = first.iter().nth(first.count() / 2).unwrap();
    let labels = axial(&harness).labels.unwrap();
    assert_eq!(labels.map.label(inside), 1);

    // The next stroke goes into the same mask.
    let other = at + Vec2::new(0.0, 60.0);
    drag(
        &mut harness,
        PointerButton::Primary,
        other,
        other + Vec2::new(-50.0, 0.0),
    );
    assert_eq!(findings(&harness).len(), 1);
    let both = mask(&harness, 0);
    assert!(both.count() > first.count());
    undo(&mut harness);
    assert_eq!(mask(&harness, 0), first);
    undo(&mut harness);
    assert!(findings(&harness).is_empty());
    redo(&mut harness);
    assert_eq!(mask(&harness, 0), first);
    redo(&mut harness);
    assert_eq!(mask(&harness, 0), both);
    // The label map follows to the last voxel.
    idle(&mut harness);
    let labels = axial(&harness).labels.unwrap();
    let seen = Mask::from_fn(grid, |v| labels.map.label(v) == 1);
    assert_eq!(seen, both);
}

#[test]
fn balls_reach_other_slices_and_erasers_take_out() {
    let mut harness = open();
    settings(&mut harness, |s| (s.ball, s.size_mm) = (true, 30.0));
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Brush)));
    let at = middle(&harness);
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(3.0, 0.0),
    );
    let painted = mask(&harness, 0);
    let slices: std::collections::BTreeSet<u32> = painted.iter().map(|v| v.z).collect();
    assert!(slices.len() > 2, "{slices:?}");
    harness.key_press_modifiers(Modifiers::SHIFT, Key::E);
    settings(&mut harness, |s| (s.ball, s.size_mm) = (false, 10.0));
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(3.0, 0.0),
    );
    let left = mask(&harness, 0);
    let gone = painted.combined(&left, Combine::Difference).unwrap();
    assert!(gone.count() > 20 && left.count() + gone.count() == painted.count());
    let of_gone: std::collections::BTreeSet<u32> = gone.iter().map(|v| v.z).collect();
    assert_eq!(of_gone.len(), 1);
    undo(&mut harness);
    assert_eq!(mask(&harness, 0), painted);
    // Brackets change the size.
    harness.key_press(Key::CloseBracket);
    harness.run_steps(2);
    assert_eq!(harness.state().app.masks.settings.size_mm, 12.5);
    harness.key_press(Key::OpenBracket);
    harness.run_steps(2);
    assert_eq!(harness.state().app.masks.settings.size_mm, 10.0);
}

#[test]
fn a_range_of_values_holds_for_the_brush() {
    let mut harness = open();
    let range = ValueRange::new(0.0, 120.0);
    settings(&mut harness, |s| {
        (s.ball, s.size_mm, s.limit, s.range) = (true, 60.0, true, range);
    });
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Brush)));
    let at = middle(&harness);
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(30.0, 0.0),
    );
    let painted = mask(&harness, 0);
    let volume = Arc::clone(axial(&harness).volume());
    assert!(painted.count() > 500);
    assert!(
        painted
            .iter()
            .all(|v| range.contains(volume.value(v).unwrap()))
    );
}

#[test]
fn lassos_fill_and_cut() {
    let mut harness = open();
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Lasso)));
    let at = middle(&harness);
    let lasso = |harness: &mut Harness<Viewer>, at: Pos2, radius: f32, modifiers: Modifiers| {
        let press = |pos, pressed| egui::Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers,
        };
        let corner = |n: i32| {
            let angle = n as f32 / 24.0 * std::f32::consts::TAU;
            at + radius * Vec2::angled(angle)
        };
        harness.event(egui::Event::ModifiersChanged(modifiers));
        harness.event(egui::Event::PointerMoved(corner(0)));
        harness.step();
        harness.event(press(corner(0), true));
        harness.step();
        for n in 1..24 {
            harness.event(egui::Event::PointerMoved(corner(n)));
            harness.step();
        }
        harness.event(press(corner(23), false));
        harness.step();
        harness.event(egui::Event::ModifiersChanged(Modifiers::NONE));
        harness.run_steps(2);
    };
    lasso(&mut harness, at, 60.0, Modifiers::NONE);
    let filled = mask(&harness, 0);
    assert!(filled.count() > 500, "{}", filled.count());
    lasso(&mut harness, at, 30.0, Modifiers::COMMAND);
    let ring = mask(&harness, 0);
    let share = ring.count() as f64 / filled.count() as f64;
    assert!((0.7..0.8).contains(&share), "{share}");
    undo(&mut harness);
    assert_eq!(mask(&harness, 0), filled);
    undo(&mut harness);
    assert!(findings(&harness).is_empty());
}

#[test]
fn a_click_grows_a_region_and_a_threshold_is_seen_before_it_is_taken() {
    let mut harness = open();
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Region)));
    let at = middle(&harness);
    click(&mut harness, at, PointerButton::Primary, 1);
    idle(&mut harness);
    let region = mask(&harness, 0);
    assert!(region.count() > 50, "{}", region.count());
    let seen = axial(&harness);
    let voxel = seen
        .grid()
        .voxel_from_patient()
        .transform_point3(seen.cursor_mm());
    assert!(region.iter().any(|v| v.as_dvec3().distance(voxel) < 3.0));

    let volume = Arc::clone(seen.volume());
    let range = ValueRange::new(180.0, 3000.0);
    send(&mut harness, Effect::Select(Vec::new()));
    send(&mut harness, Effect::Mask(MaskAct::Preview(Some(range))));
    wait(&mut harness, "the preview", |v| {
        let shown = v
            .app
            .masks
            .threshold
            .as_ref()
            .and_then(|t| t.shown.as_ref());
        shown.is_some_and(|(found, _)| *found == range)
    });
    idle(&mut harness);
    // It is drawn, and no finding yet.
    assert_eq!(findings(&harness).len(), 1);
    let bone = Mask::from_fn(*volume.grid(), |v| range.contains(volume.value(v).unwrap()));
    let drawn = axial(&harness).labels.unwrap();
    assert!(bone.iter().all(|v| drawn.map.label(v) == 2));
    send(&mut harness, Effect::Mask(MaskAct::TakePreview));
    idle(&mut harness);
    assert_eq!(mask(&harness, 1), bone);
    assert!(harness.state().app.masks.threshold.is_none());
    undo(&mut harness);
    assert_eq!(findings(&harness).len(), 1);
}

#[test]
fn operations_are_one_step_each() {
    let mut harness = open();
    settings(&mut harness, |s| (s.ball, s.size_mm) = (true, 30.0));
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Brush)));
    let at = middle(&harness);
    for aside in [-70.0, 70.0] {
        let from = at + Vec2::new(aside, 0.0);
        drag(
            &mut harness,
            PointerButton::Primary,
            from,
            from + Vec2::new(10.0, 0.0),
        );
    }
    let before = mask(&harness, 0);
    for operation in [
        MaskOperation::Smooth,
        MaskOperation::Grow,
        MaskOperation::Shrink,
        MaskOperation::KeepLargest,
        MaskOperation::Split,
    ] {
        operate(&mut harness, operation);
        let after = mask(&harness, 0);
        let grows = operation == MaskOperation::Grow;
        assert!(after != before, "{operation:?}");
        assert_eq!(after.count() > before.count(), grows, "{operation:?}");
        let pieces = if operation == MaskOperation::Split {
            2
        } else {
            1
        };
        assert_eq!(findings(&harness).len(), pieces);
        undo(&mut harness);
        assert_eq!(mask(&harness, 0), before, "{operation:?}");
        assert_eq!(findings(&harness).len(), 1);
    }
    // Of two masks.
    operate(&mut harness, MaskOperation::Split);
    let [one, two] = [mask(&harness, 0), mask(&harness, 1)];
    operate(&mut harness, MaskOperation::Union);
    assert_eq!(
        mask(&harness, 0),
        one.combined(&two, Combine::Union).unwrap()
    );
    assert_eq!(mask(&harness, 0), before);
    operate(&mut harness, MaskOperation::Subtract);
    assert_eq!(mask(&harness, 0), one);
    assert_eq!(mask(&harness, 1), two);
}

#[test]
fn what_is_locked_stays_and_what_is_outside_makes_nothing() {
    let mut harness = open();
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Brush)));
    // The corner of the view is beside the image.
    let view = harness.get_by_label("Axial view").rect();
    let wide = view.width() > view.height();
    let beside = if wide {
        egui::pos2(view.left() + 12.0, view.center().y)
    } else {
        egui::pos2(view.center().x, view.bottom() - 12.0)
    };
    settings(&mut harness, |s| s.size_mm = 1.0);
    drag(
        &mut harness,
        PointerButton::Primary,
        beside,
        beside + Vec2::new(2.0, 0.0),
    );
    assert!(findings(&harness).is_empty());

    let at = middle(&harness);
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(20.0, 0.0),
    );
    let before = mask(&harness, 0);
    let mut locked = findings(&harness)[0].clone();
    locked.locked = true;
    send(
        &mut harness,
        Effect::Edit(Edit::add(locked), Some(Step::new("lock"))),
    );
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(0.0, 40.0),
    );
    assert_eq!(mask(&harness, 0), before);
    let told = harness
        .state()
        .app
        .notices
        .iter()
        .any(|n| n.text.contains("locked"));
    assert!(told);
    let app = &harness.state().app;
    assert!(!app.can_run(Command::Mask(MaskOperation::Grow)));
}

#[test]
fn the_panel_has_it_all() {
    let mut harness = open();
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Brush)));
    let at = middle(&harness);
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(20.0, 0.0),
    );
    harness.run_steps(3);
    harness.get_by_label("Edit masks").click();
    harness.run_steps(30);
    harness.get_by_label("Outline alone").click_accesskit();
    harness.run_steps(3);
    assert!(findings(&harness)[0].mask_look.outline);
    idle(&mut harness);
    harness.get_by_label("Keep largest");
    // A drag with another tool lets the mask stay chosen; a button starts a new one.
    run(&mut harness, Command::UseTool(Tool::Window));
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(9.0, 9.0),
    );
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Brush)));
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(0.0, 30.0),
    );
    assert_eq!(findings(&harness).len(), 1);
    harness.get_by_label("New mask").click_accesskit();
    harness.run_steps(3);
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(0.0, 50.0),
    );
    assert_eq!(findings(&harness).len(), 2);
    undo(&mut harness);
    let first = findings(&harness)[0].id;
    send(&mut harness, Effect::Select(vec![first]));
    harness.get_by_label("Grow").click_accesskit();
    idle(&mut harness);
    assert!(
        harness
            .state()
            .app
            .history
            .undo_label()
            .unwrap()
            .starts_with("grow")
    );
}

#[test]
fn escape_gives_a_stroke_up_and_a_long_one_holds_one_patch() {
    let mut harness = open();
    settings(&mut harness, |s| s.ball = true);
    run(&mut harness, Command::UseTool(Tool::Mask(MaskTool::Brush)));
    let at = middle(&harness);
    drag(
        &mut harness,
        PointerButton::Primary,
        at,
        at + Vec2::new(9.0, 0.0),
    );
    let before = mask(&harness, 0);
    let bytes = harness.state().app.history.byte_len();
    let press = |pos, pressed| egui::Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(egui::Event::PointerMoved(at));
    harness.step();
    harness.event(press(at, true));
    harness.step();
    // To and fro over one place.
    for n in 0..60 {
        let aside = if n % 2 == 0 { 20.0 } else { 0.0 };
        harness.event(egui::Event::PointerMoved(at + Vec2::new(aside, aside)));
        harness.step();
    }
    let grown = mask(&harness, 0);
    assert!(grown.count() > before.count());
    // Not sixty times what one dab keeps.
    let more = harness.state().app.history.byte_len() - bytes;
    let touched = grown.changed_since(&before).len();
    assert!(more <= touched * 4400 + 2000, "{more} for {touched} bricks");
    harness.key_press(Key::Escape);
    harness.run_steps(2);
    assert_eq!(mask(&harness, 0), before);
    harness.event(press(at, false));
    harness.run_steps(3);
    assert_eq!(mask(&harness, 0), before);
    undo(&mut harness);
    assert!(findings(&harness).is_empty());
}
