//! Everything a reader can do by name: menu, toolbar, keyboard and tests share this one list.

use super::{
    MaskOperation, MaskTool, MeasurementKind, Shortcut, StandardLayout, Tool, ViewKind, WorkTab,
};
use m3d_imaging::geometry::Orientation;
use m3d_imaging::volume::{CT_PRESETS, VolumePreset};

/// One thing the reader can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Choose a folder and open what is in it.
    OpenFolder,
    /// Choose a file and open it.
    OpenFile,
    /// Type a path and open it.
    OpenPath,
    /// Choose a folder and list what is in it beside what is open.
    OpenBeside,
    /// Open a session that was taken along.
    OpenSession,
    /// Write the session of the active study to a file to take along.
    SaveSession,
    /// Remove everything that was saved of the active study.
    ForgetStudy,
    /// List the models that are here and that could be.
    ShowModels,
    /// Choose the folder of a model.
    ChooseModel,
    /// Give the model's memory back.
    UnloadModel,
    /// Choose what the left button does.
    UseTool(Tool),
    /// Use one of the CT windows.
    WindowPreset(usize),
    /// Use a window from the image's own values (1st to 99th percentile).
    WindowFromValues,
    /// Use a window from the values inside the chosen finding, or else the box.
    WindowFromRegion,
    /// Swap black and white.
    Invert,
    /// Forget zoom, pan and turn.
    ResetView,
    /// The next layout.
    NextLayout,
    /// Use one of the standard layouts.
    Layout(StandardLayout),
    /// Show another plane, or the volume, in the active view.
    Plane(ViewKind),
    /// Show the active view alone, or all again.
    Maximise,
    /// Name the arrangement of the views.
    SaveLayout,
    /// Let views of one frame share zoom and pan, or not.
    LinkZoom,
    /// Let views of one frame share the window, or not.
    LinkWindow,
    /// Tie the places that views of different frames show, or untie them.
    LinkPlaces,
    /// Play the time points, or stop.
    Play,
    /// The next time point.
    NextTime,
    /// The time point before.
    PreviousTime,
    /// Choose how the 3-D view looks.
    VolumePreset(VolumePreset),
    /// Remove the chosen findings; where none is chosen, forget the box.
    Delete,
    /// Do something to the chosen mask.
    Mask(MaskOperation),
    /// Use a larger brush.
    LargerBrush,
    /// Use a smaller brush.
    SmallerBrush,
    /// Go to the next finding of the list.
    NextFinding,
    /// Go to the finding before.
    PreviousFinding,
    /// Write the table of findings to a file.
    ExportTable,
    /// Forget the box.
    ClearBox,
    /// Ask the question that is written.
    Ask,
    /// Ask what is in the box.
    Describe,
    /// Ask for a report.
    Report,
    /// Stop the answer that is being written.
    CancelAnswer,
    /// Take the last change of the findings back.
    Undo,
    /// Take it again.
    Redo,
    /// Show one of the tabs to the right of the views.
    Tab(WorkTab),
    /// Show or hide the list of series.
    StudyPanel,
    /// Show or hide what stands to the right of the views.
    WorkPanel,
    /// Show or hide masks, boxes, measurements and words over the pictures.
    ShowOverlays,
    /// Show or hide the crosshair.
    ShowCrosshair,
    /// Leave names and dates of patients off the screen, or not.
    HideNames,
    /// Choose a command by its name.
    Palette,
    /// List the keys, to be changed.
    Keys,
}

impl Command {
    /// Every command there is, for menus, shortcuts and tests.
    pub fn all() -> Vec<Self> {
        let mut all = vec![
            Self::OpenFolder,
            Self::OpenFile,
            Self::OpenPath,
            Self::OpenBeside,
            Self::OpenSession,
            Self::SaveSession,
            Self::ForgetStudy,
            Self::ShowModels,
            Self::ChooseModel,
            Self::UnloadModel,
        ];
        all.extend(Tool::all().map(Self::UseTool));
        all.extend((0..CT_PRESETS.len()).map(Self::WindowPreset));
        all.extend([
            Self::WindowFromValues,
            Self::WindowFromRegion,
            Self::Invert,
            Self::ResetView,
            Self::NextLayout,
        ]);
        all.extend(StandardLayout::ALL.map(Self::Layout));
        all.extend(ViewKind::ALL.map(Self::Plane));
        all.extend([
            Self::Maximise,
            Self::SaveLayout,
            Self::LinkZoom,
            Self::LinkWindow,
            Self::LinkPlaces,
            Self::Play,
            Self::NextTime,
            Self::PreviousTime,
        ]);
        all.extend(VolumePreset::ALL.map(Self::VolumePreset));
        all.extend(MaskOperation::ALL.map(Self::Mask));
        all.extend([Self::LargerBrush, Self::SmallerBrush]);
        all.extend(WorkTab::ALL.map(Self::Tab));
        all.extend([
            Self::StudyPanel,
            Self::WorkPanel,
            Self::ShowOverlays,
            Self::ShowCrosshair,
            Self::HideNames,
            Self::NextFinding,
            Self::PreviousFinding,
            Self::ExportTable,
            Self::Delete,
            Self::ClearBox,
            Self::Ask,
            Self::Describe,
            Self::Report,
            Self::CancelAnswer,
            Self::Undo,
            Self::Redo,
            Self::Palette,
            Self::Keys,
        ]);
        all
    }

    /// Its name in the settings.
    pub fn id(self) -> String {
        format!("{self:?}")
    }

    /// What it is called.
    pub fn label(self) -> &'static str {
        match self {
            Self::OpenFolder => "Open folder…",
            Self::OpenFile => "Open file…",
            Self::OpenPath => "Open path…",
            Self::OpenBeside => "Open beside…",
            Self::OpenSession => "Open session…",
            Self::SaveSession => "Save session as…",
            Self::ForgetStudy => "Forget this study…",
            Self::ShowModels => "Models…",
            Self::ChooseModel => "Choose model…",
            Self::UnloadModel => "Unload model",
            Self::UseTool(Tool::Window) => "Window",
            Self::UseTool(Tool::Crosshair) => "Crosshair",
            Self::UseTool(Tool::Box) => "Box",
            Self::UseTool(Tool::Measure(kind)) => kind.name(),
            Self::UseTool(Tool::Mask(tool)) => tool.name(),
            Self::WindowPreset(n) => CT_PRESETS.get(n).map_or("Window", |p| p.name),
            Self::WindowFromValues => "Auto",
            Self::WindowFromRegion => "Auto inside",
            Self::Invert => "Invert",
            Self::ResetView => "Reset",
            Self::NextLayout => "Layout",
            Self::Layout(layout) => layout.name(),
            Self::Plane(kind) => kind.name(),
            Self::Maximise => "Maximise",
            Self::SaveLayout => "Save layout…",
            Self::LinkZoom => "Link zoom",
            Self::LinkWindow => "Link window",
            Self::LinkPlaces => "Link places",
            Self::Play => "Play",
            Self::NextTime => "Next time point",
            Self::PreviousTime => "Previous time point",
            Self::VolumePreset(preset) => preset.name(),
            Self::Delete => "Remove",
            Self::Mask(operation) => operation.name(),
            Self::LargerBrush => "Larger brush",
            Self::SmallerBrush => "Smaller brush",
            Self::NextFinding => "Next finding",
            Self::PreviousFinding => "Previous finding",
            Self::ExportTable => "Export table…",
            Self::ClearBox => "Clear box",
            Self::Ask => "Ask",
            Self::Describe => "Describe",
            Self::Report => "Draft report",
            Self::CancelAnswer => "Cancel",
            Self::Undo => "Undo",
            Self::Redo => "Redo",
            Self::Tab(tab) => tab.name(),
            Self::StudyPanel => "Series panel",
            Self::WorkPanel => "Findings panel",
            Self::ShowOverlays => "Overlays",
            Self::ShowCrosshair => "Crosshair lines",
            Self::HideNames => "Hide names",
            Self::Palette => "Commands…",
            Self::Keys => "Keys…",
        }
    }

    /// What its name belongs to where it stands alone; empty where the name says it.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::UseTool(_) => "Tool",
            Self::WindowPreset(_) | Self::WindowFromValues | Self::WindowFromRegion => "Window",
            Self::Layout(_) | Self::NextLayout => "Layout",
            Self::VolumePreset(_) => "3-D",
            Self::Mask(_) => "Mask",
            Self::Plane(_) => "View",
            Self::Tab(_) => "Tab",
            Self::StudyPanel | Self::WorkPanel => "Panel",
            _ => "",
        }
    }

    /// What it does, in a sentence.
    pub fn tooltip(self) -> &'static str {
        match self {
            Self::OpenFolder => "Open every image in folders and below",
            Self::OpenFile => "Open files: DICOM, NIfTI and other images, archives, sessions",
            Self::OpenPath => "Type the path of a folder or file",
            Self::OpenBeside => "List another study beside what is open, to compare them",
            Self::OpenSession => "Open work that was saved as a file, here or elsewhere",
            Self::SaveSession => "Write the work on this study to one file, to be opened elsewhere",
            Self::ForgetStudy => "Remove everything that was saved of this study",
            Self::ShowModels => "Use, fetch and verify models",
            Self::ChooseModel => "Choose the folder of an M3D-LaMed checkpoint",
            Self::UnloadModel => "Give the model's memory back",
            Self::UseTool(Tool::Window) => "Drag to change the window: right widens, down darkens",
            Self::UseTool(Tool::Crosshair) => "Drag to move the crosshair",
            Self::UseTool(Tool::Box) => "Drag to draw a box for the assistant",
            Self::UseTool(Tool::Measure(kind)) => measuring(kind),
            Self::UseTool(Tool::Mask(tool)) => tool.tooltip(),
            Self::WindowPreset(_) => "Use this CT window",
            Self::WindowFromValues => "Window from the 1st to the 99th percentile of the image",
            Self::WindowFromRegion => {
                "Window for the values inside the chosen finding, or else inside the box"
            }
            Self::Invert => "Swap black and white",
            Self::ResetView => "Forget zoom, pan, turn and window",
            Self::NextLayout => "Four views, one large with the others beside it, one alone",
            Self::Layout(StandardLayout::One) => "One view",
            Self::Layout(StandardLayout::OneAndThree) => "One large view with the others beside it",
            Self::Layout(StandardLayout::TwoByTwo) => {
                "The three planes and the volume of one series"
            }
            Self::Layout(StandardLayout::OneByTwo) => "Two views side by side, for two series",
            Self::Layout(StandardLayout::TwoByThree) => "Six views, for six series",
            Self::Plane(ViewKind::Slice(_)) => "Show this plane in the active view",
            Self::Plane(ViewKind::Volume) => "Show the volume in the active view",
            Self::Maximise => "Show the active view alone, or all again",
            Self::SaveLayout => "Give the arrangement of the views a name",
            Self::LinkZoom => "Views with the same coordinates share zoom and pan",
            Self::LinkWindow => "Views with the same coordinates share the window",
            Self::LinkPlaces => {
                "Scroll views of different coordinates together from the places they show now"
            }
            Self::Play => "Play the time points, or the slices of the active view, or stop",
            Self::NextTime => "Show the next time point",
            Self::PreviousTime => "Show the time point before",
            Self::VolumePreset(_) => "Choose how the 3-D view looks",
            Self::Delete => "Remove the chosen finding, or else the box",
            Self::Mask(operation) => operation.tooltip(),
            Self::LargerBrush => "Make brush and eraser larger",
            Self::SmallerBrush => "Make brush and eraser smaller",
            Self::NextFinding => "Go to the next finding of the list",
            Self::PreviousFinding => "Go to the finding before",
            Self::ExportTable => "Write all findings with their figures as CSV",
            Self::ClearBox => "Forget the box that was drawn",
            Self::Ask => "Ask the question that is written",
            Self::Describe => "Ask the assistant what is in the box",
            Self::Report => "Ask the assistant for a draft of a report",
            Self::CancelAnswer => "Stop the answer that is being written",
            Self::Undo => "Take the last change back",
            Self::Redo => "Make the change again",
            Self::Tab(WorkTab::Findings) => "Show masks, boxes and measurements",
            Self::Tab(WorkTab::Assistant) => "Show questions and answers",
            Self::Tab(WorkTab::Report) => "Show the report",
            Self::StudyPanel => "Show or hide the list of series",
            Self::WorkPanel => "Show or hide findings, assistant and report",
            Self::ShowOverlays => "Show or hide masks, boxes, measurements and words",
            Self::ShowCrosshair => "Show or hide the lines of the other planes",
            Self::HideNames => "Leave the patient's name and dates off the screen",
            Self::Palette => "Choose a command by its name",
            Self::Keys => "List the keys and change them",
        }
    }

    /// The key that does it unless the reader chose another.
    pub fn shortcut(self) -> Option<Shortcut> {
        Some(match self {
            Self::OpenFolder => Shortcut::ctrl("O"),
            Self::OpenFile => Shortcut::ctrl_shift("O"),
            Self::OpenPath => Shortcut::ctrl("L"),
            Self::SaveSession => Shortcut::ctrl("S"),
            Self::UseTool(Tool::Window) => Shortcut::plain("W"),
            Self::UseTool(Tool::Crosshair) => Shortcut::plain("C"),
            Self::UseTool(Tool::Box) => Shortcut::plain("B"),
            Self::UseTool(Tool::Measure(kind)) => Shortcut::plain(match kind {
                MeasurementKind::Length => "T",
                MeasurementKind::Bidirectional => "J",
                MeasurementKind::Angle => "A",
                MeasurementKind::CobbAngle => "K",
                MeasurementKind::Ellipse => "E",
                MeasurementKind::Rectangle => "Q",
                MeasurementKind::Polygon => "G",
                MeasurementKind::Freehand => "F",
                MeasurementKind::Probe => "V",
                MeasurementKind::Arrow => "Y",
                MeasurementKind::Text => "X",
            }),
            Self::UseTool(Tool::Mask(tool)) => Shortcut::shift(match tool {
                MaskTool::Brush => "B",
                MaskTool::Eraser => "E",
                MaskTool::Lasso => "L",
                MaskTool::Region => "G",
            }),
            Self::LargerBrush => Shortcut::plain("CloseBracket"),
            Self::SmallerBrush => Shortcut::plain("OpenBracket"),
            Self::WindowPreset(0) => Shortcut::plain("1"),
            Self::WindowPreset(1) => Shortcut::plain("2"),
            Self::WindowPreset(2) => Shortcut::plain("3"),
            Self::WindowPreset(3) => Shortcut::plain("4"),
            Self::WindowPreset(4) => Shortcut::plain("5"),
            Self::WindowPreset(5) => Shortcut::plain("6"),
            Self::WindowPreset(6) => Shortcut::plain("7"),
            Self::WindowFromValues => Shortcut::plain("8"),
            Self::WindowFromRegion => Shortcut::plain("9"),
            Self::Invert => Shortcut::plain("I"),
            Self::ResetView => Shortcut::plain("R"),
            Self::NextLayout => Shortcut::plain("Space"),
            Self::Play => Shortcut::plain("P"),
            Self::NextTime => Shortcut::plain("."),
            Self::PreviousTime => Shortcut::plain(","),
            Self::LinkPlaces => Shortcut::plain("L"),
            Self::Plane(kind) => Shortcut::plain(match kind {
                ViewKind::Slice(Orientation::Axial) => "F2",
                ViewKind::Slice(Orientation::Sagittal) => "F3",
                ViewKind::Slice(Orientation::Coronal) => "F4",
                ViewKind::Volume => "F5",
            }),
            Self::Maximise => Shortcut::plain("M"),
            Self::Tab(WorkTab::Findings) => Shortcut::plain("F6"),
            Self::Tab(WorkTab::Assistant) => Shortcut::plain("F7"),
            Self::Tab(WorkTab::Report) => Shortcut::plain("F8"),
            Self::StudyPanel => Shortcut::plain("F9"),
            Self::WorkPanel => Shortcut::plain("F10"),
            Self::ShowOverlays => Shortcut::plain("H"),
            Self::ShowCrosshair => Shortcut::plain("O"),
            Self::HideNames => Shortcut::ctrl_shift("H"),
            Self::Palette => Shortcut::ctrl("K"),
            Self::Keys => Shortcut::plain("F1"),
            Self::Delete => Shortcut::plain("Delete"),
            Self::NextFinding => Shortcut::plain("N"),
            Self::PreviousFinding => Shortcut::ctrl_shift("N"),
            Self::Describe => Shortcut::plain("D"),
            Self::CancelAnswer => Shortcut::plain("Escape"),
            Self::Undo => Shortcut::ctrl("Z"),
            Self::Redo => Shortcut::ctrl_shift("Z"),
            Self::OpenSession
            | Self::OpenBeside
            | Self::ForgetStudy
            | Self::ShowModels
            | Self::ChooseModel
            | Self::UnloadModel
            | Self::WindowPreset(_)
            | Self::Layout(_)
            | Self::SaveLayout
            | Self::LinkZoom
            | Self::LinkWindow
            | Self::VolumePreset(_)
            | Self::ClearBox
            | Self::ExportTable
            | Self::Mask(_)
            | Self::Ask
            | Self::Report => return None,
        })
    }
}

/// How a measurement is drawn.
const fn measuring(kind: MeasurementKind) -> &'static str {
    match kind {
        MeasurementKind::Length => "Drag, or click two points: their distance",
        MeasurementKind::Bidirectional => {
            "Drag along the longest diameter; then move the ends of the line across it"
        }
        MeasurementKind::Angle => "Drag along the first leg, then click where the second ends",
        MeasurementKind::CobbAngle => "Drag along one endplate, then along the other",
        MeasurementKind::Ellipse | MeasurementKind::Rectangle => {
            "Drag from corner to corner: area and values inside"
        }
        MeasurementKind::Polygon => "Click the corners, the last one twice: area and values inside",
        MeasurementKind::Freehand => "Draw around it: area and values inside",
        MeasurementKind::Probe => "Click: the value there",
        MeasurementKind::Arrow => "Drag from the tip, then write what it points at",
        MeasurementKind::Text => "Click, then write",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_does_two_things() {
        let mut keys: Vec<_> = Command::all()
            .into_iter()
            .filter_map(Command::shortcut)
            .map(|s| (s.key, s.command, s.shift, s.alt))
            .collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
