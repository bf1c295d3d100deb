//! Our own file dialog, for where the system has none: folders, files, a name to save under, places.

mod listing;

use std::path::{Path, PathBuf};

use egui::{Align2, Context, Key, ScrollArea, TextEdit, Ui, Window};

use self::listing::{Entry, Listing};
use super::theme;
use crate::app::jobs::Waker;

/// What is chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Files and folders, several at once.
    Paths,
    /// One folder.
    Folder,
    /// One file.
    File,
    /// A file to write, and the name that is proposed.
    Save(String),
}

/// What the reader did with the dialog in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Nothing yet.
    None,
    /// Never mind.
    Cancel,
    /// Took these.
    Taken(Vec<PathBuf>),
    /// Took these, to stand beside what is open.
    Beside(Vec<PathBuf>),
}

/// A dialog that is open.
pub struct FileBrowser {
    title: &'static str,
    wanted: Wanted,
    folder: PathBuf,
    /// The path as it is typed.
    typed: String,
    /// The name to save under.
    name: String,
    /// What is marked, by name.
    marked: Vec<PathBuf>,
    hidden: bool,
    listing: Listing,
    /// A file that is there already and that the reader is asked about.
    overwrites: Option<PathBuf>,
    places: Vec<PathBuf>,
    /// Whether what is chosen may stand beside what is open.
    offers_beside: bool,
    /// Whether it was opened just now: the name is typed at once.
    fresh: bool,
    wake: Waker,
}

const HEIGHT: f32 = 340.0;
const PLACES_WIDTH: f32 = 150.0;

impl FileBrowser {
    /// Opens in a folder, with further places to go to.
    pub fn new(
        title: &'static str,
        wanted: Wanted,
        folder: PathBuf,
        recent: Vec<PathBuf>,
        offers_beside: bool,
        wake: Waker,
    ) -> Self {
        let mut places: Vec<PathBuf> = places().into_iter().chain(recent).collect();
        let mut seen = Vec::new();
        places.retain(|place| {
            let new = place.is_dir() && !seen.contains(place);
            seen.push(place.clone());
            new
        });
        let name = match &wanted {
            Wanted::Save(name) => name.clone(),
            _ => String::new(),
        };
        Self {
            title,
            typed: folder.display().to_string(),
            listing: Listing::of(folder.clone(), &wake),
            name,
            wanted,
            folder,
            marked: Vec::new(),
            hidden: false,
            overwrites: None,
            places,
            offers_beside,
            fresh: true,
            wake,
        }
    }

    /// The folder that is listed.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn go_to(&mut self, folder: PathBuf) {
        self.typed = folder.display().to_string();
        self.listing = Listing::of(folder.clone(), &self.wake);
        self.folder = folder;
        self.marked.clear();
        self.overwrites = None;
    }

    /// Shows the dialog.
    pub fn show(&mut self, ctx: &Context) -> Answer {
        let (mut open, mut answer) = (true, Answer::None);
        self.listing.update();
        let room = ctx.content_rect().size();
        Window::new(self.title)
            .open(&mut open)
            .collapsible(false)
            .resizable(false)
            .anchor(Align2::CENTER_CENTER, [0.0, -20.0])
            .fixed_size([(room.x - 60.0).min(760.0), (room.y - 120.0).min(460.0)])
            .show(ctx, |ui| answer = self.contents(ui));
        if answer == Answer::None && (!open || ctx.input(|i| i.key_pressed(Key::Escape))) {
            return Answer::Cancel;
        }
        answer
    }

    fn contents(&mut self, ui: &mut Ui) -> Answer {
        self.path_row(ui);
        ui.separator();
        let mut answer = Answer::None;
        ui.horizontal_top(|ui| {
            ui.vertical(|ui| {
                ui.set_width(PLACES_WIDTH);
                self.places_column(ui);
            });
            ui.separator();
            ui.vertical(|ui| {
                ui.set_width(ui.available_width());
                answer = self.entries(ui);
            });
        });
        ui.separator();
        match self.buttons(ui) {
            Answer::None => answer,
            pressed => pressed,
        }
    }

    fn path_row(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            let parent = self.folder.parent().map(Path::to_owned);
            let up = ui.add_enabled(parent.is_some(), egui::Button::new("Up"));
            if let Some(parent) = parent.filter(|_| up.clicked()) {
                self.go_to(parent);
            }
            let hidden = ui.checkbox(&mut self.hidden, "Hidden");
            hidden.on_hover_text("Also what begins with a dot");
            let field = TextEdit::singleline(&mut self.typed).desired_width(f32::INFINITY);
            let field = ui.add(field);
            field.widget_info(|| egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Path"));
            if field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter)) {
                let path = PathBuf::from(self.typed.trim());
                match path.parent() {
                    _ if path.is_dir() => self.go_to(path),
                    Some(parent) if path.exists() => {
                        self.go_to(parent.to_owned());
                        self.marked = vec![path];
                    }
                    _ => self
                        .listing
                        .fail(format!("{} is not there.", path.display())),
                }
            }
        });
    }

    fn places_column(&mut self, ui: &mut Ui) {
        let mut chosen = None;
        ScrollArea::vertical()
            .id_salt("places")
            .max_height(HEIGHT)
            .show(ui, |ui| {
                for place in &self.places {
                    let here = *place == self.folder;
                    let label = ui.selectable_label(here, place_name(place));
                    if label.on_hover_text(place.display().to_string()).clicked() {
                        chosen = Some(place.clone());
                    }
                }
            });
        if let Some(place) = chosen {
            self.go_to(place);
        }
    }

    fn entries(&mut self, ui: &mut Ui) -> Answer {
        if let Some(problem) = self.listing.problem() {
            ui.colored_label(theme::ERROR, problem);
        } else if self.listing.is_reading() {
            ui.weak("Reading the folder…");
        } else if self.listing.entries().is_empty() {
            ui.weak("Nothing is in this folder.");
        }
        let folders_alone = self.wanted == Wanted::Folder;
        let shown: Vec<Entry> = self
            .listing
            .entries()
            .iter()
            .filter(|entry| self.hidden || !entry.is_hidden())
            .filter(|entry| entry.is_folder || !folders_alone)
            .cloned()
            .collect();
        let (mut entered, mut answer) = (None, Answer::None);
        let row = ui.spacing().interact_size.y;
        ScrollArea::vertical()
            .id_salt("entries")
            .auto_shrink(false)
            .max_height(HEIGHT)
            .show_rows(ui, row, shown.len(), |ui, range| {
                for entry in &shown[range] {
                    let marked = self.marked.contains(&entry.path);
                    let text = entry.name.clone();
                    let text = if entry.is_folder {
                        format!("{text}/")
                    } else {
                        text
                    };
                    let button = egui::Button::selectable(marked, text)
                        .right_text(entry.details())
                        .min_size(egui::vec2(ui.available_width(), row));
                    let response = ui.add(button);
                    if response.double_clicked() {
                        if entry.is_folder {
                            entered = Some(entry.path.clone());
                        } else if !matches!(self.wanted, Wanted::Save(_)) {
                            answer = Answer::Taken(vec![entry.path.clone()]);
                        }
                    } else if response.clicked() {
                        let several = ui.input(|i| i.modifiers.command || i.modifiers.shift);
                        self.mark(entry, several);
                    }
                }
            });
        if let Some(folder) = entered {
            self.go_to(folder);
        }
        answer
    }

    fn mark(&mut self, entry: &Entry, several: bool) {
        if let (Wanted::Save(_), false) = (&self.wanted, entry.is_folder) {
            self.name.clone_from(&entry.name);
        }
        let known = self.marked.iter().position(|path| *path == entry.path);
        match known {
            Some(at) if several => drop(self.marked.remove(at)),
            _ if several && self.wanted == Wanted::Paths => self.marked.push(entry.path.clone()),
            _ => self.marked = vec![entry.path.clone()],
        }
    }

    fn buttons(&mut self, ui: &mut Ui) -> Answer {
        if matches!(self.wanted, Wanted::Save(_)) {
            return self.save_row(ui);
        }
        let mut answer = Answer::None;
        ui.horizontal(|ui| {
            let taken = self.taken();
            let label = match (&self.wanted, self.marked.len()) {
                (Wanted::Paths | Wanted::Folder, 0) => "Open this folder",
                (_, 0 | 1) => "Open",
                _ => "Open all",
            };
            let enabled = !taken.is_empty();
            if ui.add_enabled(enabled, egui::Button::new(label)).clicked() {
                answer = Answer::Taken(taken.clone());
            }
            if self.offers_beside {
                let beside = ui.add_enabled(enabled, egui::Button::new("Open beside"));
                if beside.on_hover_text("Keep what is open").clicked() {
                    answer = Answer::Beside(taken);
                }
            }
            if ui.button("Cancel").clicked() {
                answer = Answer::Cancel;
            }
            if self.wanted == Wanted::Paths {
                ui.weak("Ctrl+click marks several.");
            }
        });
        answer
    }

    /// What a press on the first button takes.
    fn taken(&self) -> Vec<PathBuf> {
        match &self.wanted {
            Wanted::Paths | Wanted::Folder if self.marked.is_empty() => vec![self.folder.clone()],
            Wanted::File => {
                let files = self.marked.iter().filter(|path| !path.is_dir());
                files.cloned().collect()
            }
            _ => self.marked.clone(),
        }
    }

    fn save_row(&mut self, ui: &mut Ui) -> Answer {
        let mut answer = Answer::None;
        let path = self.folder.join(self.name.trim());
        ui.horizontal(|ui| {
            let label = ui.label("Name");
            let field = ui
                .add(TextEdit::singleline(&mut self.name).desired_width(320.0))
                .labelled_by(label.id);
            if std::mem::take(&mut self.fresh) {
                field.request_focus();
            }
            let entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            if field.changed() {
                self.overwrites = None;
            }
            let named = !self.name.trim().is_empty();
            let asked = self.overwrites.as_ref() == Some(&path);
            let label = if asked { "Replace it" } else { "Save" };
            let save = ui.add_enabled(named, egui::Button::new(label)).clicked();
            if named && (save || (entered && !asked)) {
                if path.is_dir() {
                    self.go_to(path);
                } else if path.exists() && !asked {
                    self.overwrites = Some(path);
                } else {
                    answer = Answer::Taken(vec![path]);
                }
            }
            if ui.button("Cancel").clicked() {
                answer = Answer::Cancel;
            }
            if self.overwrites.is_some() {
                ui.colored_label(theme::WARNING, "A file of this name is there.");
            }
        });
        answer
    }
}

/// Where files usually are: the account's folders, and what is mounted.
fn places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Some(user) = directories::UserDirs::new() {
        places.push(user.home_dir().to_owned());
        let usual = [user.desktop_dir(), user.download_dir(), user.document_dir()];
        places.extend(usual.into_iter().flatten().map(Path::to_owned));
    }
    for root in ["/media", "/mnt", "/run/media", "/Volumes"] {
        let mounted = std::fs::read_dir(root).into_iter().flatten().flatten();
        places.extend(mounted.map(|entry| entry.path()));
    }
    places.push(PathBuf::from("/"));
    places
}

fn place_name(place: &Path) -> String {
    let name = place
        .file_name()
        .map(|name| name.to_string_lossy().into_owned());
    name.unwrap_or_else(|| place.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egui::Modifiers;
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;

    /// A dialog, and the last answer that it gave.
    struct Shown {
        browser: FileBrowser,
        answer: Answer,
    }

    fn shown(folder: &Path, wanted: Wanted) -> Harness<'static, Shown> {
        let wake: Waker = Arc::new(|| {});
        let folder = folder.to_owned();
        let browser = FileBrowser::new("Choose", wanted, folder, Vec::new(), true, wake);
        let state = Shown {
            browser,
            answer: Answer::None,
        };
        let mut harness = Harness::builder()
            .with_size([900.0, 640.0])
            .with_step_dt(1.0 / 60.0)
            .build_ui_state(
                |ui, state: &mut Shown| {
                    let answer = state.browser.show(ui.ctx());
                    if answer != Answer::None {
                        state.answer = answer;
                    }
                },
                state,
            );
        read(&mut harness);
        harness
    }

    /// Waits until the folder was read.
    fn read(harness: &mut Harness<Shown>) {
        while harness.state().browser.listing.is_reading() {
            std::thread::sleep(std::time::Duration::from_millis(2));
            harness.step();
        }
        harness.run_steps(2);
    }

    fn click(harness: &mut Harness<Shown>, label: &str) {
        harness.get_by_label_contains(label).click();
        harness.run_steps(2);
    }

    #[test]
    fn several_are_taken_and_folders_are_entered() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("study");
        std::fs::create_dir(&deep).unwrap();
        for name in ["a.dcm", "b.dcm", "c.dcm"] {
            std::fs::write(deep.join(name), "").unwrap();
        }
        let mut harness = shown(root.path(), Wanted::Paths);
        let row = harness.get_by_label_contains("study/").rect().center();
        harness.event(egui::Event::PointerMoved(row));
        harness.step();
        for pressed in [true, false, true, false] {
            harness.event(egui::Event::PointerButton {
                pos: row,
                button: egui::PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
            harness.step();
        }
        read(&mut harness);
        assert_eq!(harness.state().browser.folder(), deep);
        click(&mut harness, "a.dcm");
        harness
            .get_by_label_contains("c.dcm")
            .click_modifiers(Modifiers::COMMAND);
        harness.run_steps(2);
        click(&mut harness, "Open beside");
        let wanted = vec![deep.join("a.dcm"), deep.join("c.dcm")];
        assert_eq!(harness.state().answer, Answer::Beside(wanted));
    }

    #[test]
    fn a_file_is_replaced_only_when_the_reader_says_so_again() {
        let root = tempfile::tempdir().unwrap();
        let there = root.path().join("mask.nii.gz");
        std::fs::write(&there, "").unwrap();
        let mut harness = shown(root.path(), Wanted::Save("mask.nii.gz".into()));
        click(&mut harness, "Save");
        assert_eq!(harness.state().answer, Answer::None);
        click(&mut harness, "Replace it");
        assert_eq!(harness.state().answer, Answer::Taken(vec![there]));
    }

    #[test]
    fn a_folder_that_cannot_be_read_says_why() {
        let root = tempfile::tempdir().unwrap();
        let mut harness = shown(&root.path().join("gone"), Wanted::Paths);
        assert!(
            harness
                .query_by_label_contains("not there any more")
                .is_some()
        );
        harness.key_press(Key::Escape);
        harness.run_steps(2);
        assert_eq!(harness.state().answer, Answer::Cancel);
    }
}
