//! What each command does.

use m3d_imaging::volume::{CT_PRESETS, Modality, VolumePreset, Window};

use m3d_assistant::inference::Task;

use super::jobs::first_window;
use super::workspace::{Edit, Layer, Links, Look, ViewKind};
use super::{Application, Command, DialogRequest, Order, Step, Tool, WorkTab};

impl Application {
    /// Carries a command out.
    pub fn run(&mut self, command: Command) {
        match command {
            Command::OpenFolder => self.dialogs.push(DialogRequest::OpenFolder),
            Command::OpenFile => self.dialogs.push(DialogRequest::OpenFile),
            Command::OpenPath => self.dialogs.push(DialogRequest::OpenPath),
            Command::OpenBeside => self.dialogs.push(DialogRequest::OpenBeside),
            Command::OpenSession => self.dialogs.push(DialogRequest::OpenSession),
            Command::SaveSession => self.dialogs.push(DialogRequest::SaveSession),
            Command::ForgetStudy => {
                let request = self.active_study().map(DialogRequest::ForgetStudy);
                self.dialogs.extend(request);
            }
            Command::ChooseModel => self.dialogs.push(DialogRequest::ChooseModel),
            Command::SaveLayout => self.dialogs.push(DialogRequest::SaveLayout),
            Command::Tab(tab) => self.remember(|settings| {
                settings.panels.tab = tab;
                settings.panels.work = true;
            }),
            Command::StudyPanel => {
                let is_wide = self.is_wide;
                self.remember(|settings| {
                    let shown = settings.panels.shows_study(is_wide);
                    settings.panels.study = Some(!shown);
                });
            }
            Command::WorkPanel => {
                self.remember(|settings| settings.panels.work = !settings.panels.work);
            }
            Command::Palette => self.dialogs.push(DialogRequest::Palette),
            Command::Keys => self.dialogs.push(DialogRequest::Keys),
            Command::ShowModels => self.models.show(&mut self.jobs),
            Command::UnloadModel => self.assistant.unload(),
            Command::UseTool(tool) => self.use_tool(tool),
            Command::WindowPreset(n) => self.use_window_preset(n),
            Command::WindowFromValues => self.window_from_values(),
            Command::WindowFromRegion => self.window_from_region(),
            Command::Invert => self.change_layer("invert", |layer| layer.invert = !layer.invert),
            Command::ResetView => self.reset_views(),
            Command::NextLayout => self.next_layout(),
            Command::Layout(standard) => {
                let named = standard.layout(self.active_kind());
                self.arrange(&named);
            }
            Command::Plane(kind) => self.show_plane(kind),
            Command::Maximise => self.toggle_maximised(self.active),
            Command::LinkZoom => self.link(|links| links.zoom = !links.zoom),
            Command::LinkWindow => self.link(|links| links.window = !links.window),
            Command::LinkPlaces => self.toggle_anchors(),
            Command::Play => self.toggle_playback(),
            Command::NextTime => self.step_time(1),
            Command::PreviousTime => self.step_time(-1),
            Command::VolumePreset(preset) => self.use_volume_preset(preset),
            Command::ShowOverlays => self.screen.overlays = !self.screen.overlays,
            Command::ShowCrosshair => self.screen.crosshair = !self.screen.crosshair,
            Command::HideNames => self.screen.anonymous = !self.screen.anonymous,
            Command::Delete => self.delete_selected(),
            Command::NextFinding => self.step_finding(true),
            Command::PreviousFinding => self.step_finding(false),
            Command::ExportTable => self.dialogs.push(DialogRequest::ExportTable),
            Command::Mask(operation) => self.edit_mask(operation),
            Command::LargerBrush => self.resize_brush(1.25),
            Command::SmallerBrush => self.resize_brush(0.8),
            Command::ClearBox => self.clear_box(),
            Command::Ask => {
                self.show_answers();
                self.ask_draft();
            }
            Command::Describe => {
                self.show_answers();
                self.describe();
            }
            Command::Report => {
                self.show_answers();
                self.ask("", Some(Task::Report));
            }
            Command::CancelAnswer => self.cancel_answers(),
            Command::Undo => {
                self.go_through_history(|history, workspace| drop(history.undo(workspace)));
                self.activate_a_shown_view();
            }
            Command::Redo => {
                self.go_through_history(|history, workspace| drop(history.redo(workspace)));
                self.activate_a_shown_view();
            }
        }
    }

    /// What a command is called now: undo and redo name the step.
    pub fn label_of(&self, command: Command) -> String {
        let step = match command {
            Command::Undo => self.history.undo_label(),
            Command::Redo => self.history.redo_label(),
            _ => None,
        };
        let label = command.label();
        step.map_or_else(|| label.to_owned(), |step| format!("{label}: {step}"))
    }

    /// Whether a command would do something now.
    pub fn can_run(&self, command: Command) -> bool {
        let seen = self.seen_active();
        match command {
            Command::OpenFolder
            | Command::OpenFile
            | Command::OpenPath
            | Command::OpenBeside
            | Command::OpenSession
            | Command::ShowModels
            | Command::ChooseModel
            | Command::Palette
            | Command::Keys
            | Command::Tab(_)
            | Command::StudyPanel
            | Command::ShowOverlays
            | Command::ShowCrosshair
            | Command::HideNames
            | Command::WorkPanel
            | Command::UseTool(_)
            | Command::NextLayout
            | Command::Layout(_)
            | Command::SaveLayout
            | Command::Plane(_)
            | Command::Maximise
            | Command::LinkZoom
            | Command::LinkWindow => true,
            Command::SaveSession => self.active_study().is_some(),
            Command::ForgetStudy => self.sessions.is_some() && self.active_study().is_some(),
            Command::UnloadModel => self.assistant.is_ready(),
            Command::LinkPlaces => {
                !self.workspace.anchors.is_empty() || self.shown_frames().len() > 1
            }
            Command::WindowPreset(_) => seen.is_some_and(|s| s.shown_as() == Modality::Ct),
            Command::WindowFromValues
            | Command::Invert
            | Command::ResetView
            | Command::VolumePreset(_) => seen.is_some(),
            Command::Play => seen.is_some_and(|s| s.can_be_played()),
            Command::NextTime | Command::PreviousTime => seen.is_some_and(|s| s.record.times > 1),
            Command::NextFinding | Command::PreviousFinding | Command::ExportTable => {
                !self.listed_findings(Order::Made, "").is_empty()
            }
            Command::WindowFromRegion => self.values_in_hand().is_some(),
            Command::Delete => {
                self.selected().next().is_some() || seen.is_some_and(|s| s.region().is_some())
            }
            Command::Mask(operation) => self.can_edit_mask(operation),
            Command::LargerBrush | Command::SmallerBrush => {
                matches!(self.tool, Tool::Mask(_))
            }
            Command::ClearBox => seen.is_some_and(|s| s.region().is_some()),
            Command::Ask => self.can_ask(),
            Command::Describe => {
                self.assistant.is_ready() && seen.is_some_and(|s| s.region().is_some())
            }
            Command::Report => self.assistant.is_ready() && seen.is_some(),
            Command::CancelAnswer => self.is_answering(),
            Command::Undo => self.history.undo_label().is_some(),
            Command::Redo => self.history.redo_label().is_some(),
        }
    }

    /// The transfer function of the active image's 3-D views.
    pub fn volume_preset(&self) -> VolumePreset {
        let Some(seen) = self.seen_active() else {
            return VolumePreset::Ramp;
        };
        let image = &seen.layer.image;
        let volumes = self.workspace.views.values().find(|view| {
            view.kind == ViewKind::Volume && view.base().is_some_and(|base| base.image == *image)
        });
        volumes.map_or(seen.view.preset, |view| view.preset)
    }

    fn change_layer(&mut self, label: &'static str, change: impl Fn(&mut Layer)) {
        self.change_together(self.layer_edits(self.active, change), label);
    }

    fn use_window_preset(&mut self, n: usize) {
        let is_ct = self
            .seen_active()
            .is_some_and(|seen| seen.shown_as() == Modality::Ct);
        if let Some(preset) = CT_PRESETS.get(n).filter(|_| is_ct) {
            self.change_layer("window", |layer| layer.window = preset.window);
        }
    }

    fn use_tool(&mut self, tool: Tool) {
        self.tool = tool;
        self.masks.painting = false;
    }

    fn resize_brush(&mut self, factor: f64) {
        self.masks.settings = self.masks.settings.resized(factor);
    }

    fn set_links(&mut self, links: Links) {
        self.change(Edit::Links(links), Step::new("link"));
    }

    /// The 3-D views of the active image change together.
    fn use_volume_preset(&mut self, preset: VolumePreset) {
        if let Some(seen) = self.seen_active() {
            let image = &seen.layer.image;
            let edits = self.workspace.views_of(image, |view| view.preset = preset);
            self.change_together(edits, "3-D preset");
        }
    }

    /// From the 1st to the 99th percentile of the image.
    fn window_from_values(&mut self) {
        let statistics = self.seen_active().map(|seen| seen.image.statistics);
        if let Some(statistics) = statistics {
            let window = Window::from_range(statistics.p01, statistics.p99);
            self.change_layer("window", |layer| layer.window = window);
        }
    }

    /// From the values inside the chosen finding, or else the box.
    fn window_from_region(&mut self) {
        if let Some(values) = self.values_in_hand() {
            // Within two deviations of the mean lies what is meant; outliers are left out.
            let low = (values.mean - 2.0 * values.std).max(values.min);
            let high = (values.mean + 2.0 * values.std).min(values.max);
            let window = Window::from_range(low as f32, high as f32);
            self.change_layer("window", |layer| layer.window = window);
        }
    }

    fn link(&mut self, change: impl FnOnce(&mut Links)) {
        let mut links = self.workspace.links;
        change(&mut links);
        self.set_links(links);
    }

    /// Shows the tab where answers are written.
    fn show_answers(&mut self) {
        if self.settings().panels.tab != WorkTab::Assistant {
            self.remember(|settings| settings.panels.tab = WorkTab::Assistant);
        }
    }

    pub(super) fn clear_box(&mut self) {
        let image = self.seen_active().map(|seen| seen.layer.image.clone());
        if let Some(image) = image.filter(|image| self.workspace.regions.contains_key(image)) {
            let region = None;
            self.change(Edit::Region { image, region }, Step::new("clear box"));
        }
    }

    /// Zoom, pan, turn, crosshair and window of the views that share the active image's coordinates.
    fn reset_views(&mut self) {
        let Some(frame) = self.seen_active().map(|seen| seen.frame()) else {
            return;
        };
        let mut edits = vec![Edit::Cursor {
            frame: frame.clone(),
            point_mm: None,
        }];
        for (&id, view) in &self.workspace.views {
            let Some(seen) = self.seen(id).filter(|seen| seen.frame() == frame) else {
                continue;
            };
            let mut view = view.clone();
            view.look = Look::default();
            for layer in view.layers.iter_mut().take(1) {
                let series = &seen.image.series;
                let modality = seen.image.volume.modality();
                layer.window = first_window(series, modality, &seen.image.statistics);
                layer.invert = series.inverted;
            }
            edits.push(Edit::view(id, view));
        }
        self.change_together(edits, "reset view");
    }
}
