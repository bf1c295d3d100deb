//! The models on this machine and the published ones, as the Models dialog shows them.

use std::path::PathBuf;

use m3d_assistant::hub::{
    Fetched, HubError, HubOptions, LocalModel, ModelFolder, ModelName, Published, Verification,
    local,
};

use super::jobs::{FetchModel, FindModels, Jobs, Running, VerifyModel};

/// The state of the Models dialog.
pub struct Models {
    /// Whether it is open.
    pub open: bool,
    /// Where models are looked for.
    pub folders: Vec<PathBuf>,
    /// Where models are fetched to; none where the system has no folder for them.
    pub target: Option<PathBuf>,
    /// The hub to fetch from.
    pub hub: HubOptions,
    /// The models found, complete or not; none before the first search has ended.
    pub found: Option<Vec<LocalModel>>,
    /// The published model whose licence is being shown.
    pub asking: Option<&'static Published>,
    /// What the last verification told of a folder, a line each; and whether all is well.
    pub verified: Option<(ModelFolder, Result<String, Vec<String>>)>,
    /// Why the last fetch ended without a model.
    pub failed: Option<String>,
    fetching: Option<ModelName>,
    verifying: Option<ModelFolder>,
}

impl Models {
    /// Closed, with nothing looked for yet.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Self {
            open: false,
            folders,
            target: local::models_folder(),
            hub: HubOptions::from_env(),
            found: None,
            asking: None,
            verified: None,
            failed: None,
            fetching: None,
            verifying: None,
        }
    }

    /// Opens the dialog and looks for models.
    pub fn show(&mut self, jobs: &mut Jobs) {
        self.open = true;
        self.look(jobs);
    }

    /// Looks for models again.
    pub fn look(&self, jobs: &mut Jobs) {
        let mut folders = self.folders.clone();
        folders.extend(self.target.clone());
        jobs.start(FindModels { folders });
    }

    /// The folder that a published model would be fetched to.
    pub fn target_of(&self, model: &Published) -> Option<PathBuf> {
        Some(self.target.as_ref()?.join(model.name().folder_name()))
    }

    /// Fetches a published model, whose licence was accepted; one at a time.
    pub fn fetch(&mut self, model: &'static Published, jobs: &mut Jobs) {
        self.asking = None;
        self.failed = None;
        let Some(folder) = self.target_of(model) else {
            self.failed = Some(HubError::NoModelsFolder.to_string());
            return;
        };
        if self.fetching.is_some() {
            return;
        }
        let job = FetchModel {
            name: model.name(),
            hub: self.hub.clone(),
            folder,
        };
        self.fetching = jobs.start(job).then(|| model.name());
    }

    /// Reads a model from end to end; one at a time.
    pub fn verify(&mut self, folder: ModelFolder, jobs: &mut Jobs) {
        if self.verifying.is_some() {
            return;
        }
        self.verified = None;
        let job = VerifyModel {
            folder: folder.clone(),
        };
        self.verifying = jobs.start(job).then_some(folder);
    }

    /// The job that fetches this model, if one does; also while it is being stopped.
    pub fn fetching<'a>(&self, model: &Published, jobs: &'a Jobs) -> Option<&'a Running> {
        let this = self.fetching.as_ref()?.as_str() == model.hub_name;
        this.then(|| jobs.in_slot(&FetchModel::SLOT)).flatten()
    }

    /// Whether any model is being fetched.
    pub const fn is_fetching(&self) -> bool {
        self.fetching.is_some()
    }

    /// The job that verifies this folder, if one does.
    pub fn verifying<'a>(&self, folder: &ModelFolder, jobs: &'a Jobs) -> Option<&'a Running> {
        let this = self.verifying.as_ref()? == folder;
        this.then(|| jobs.in_slot(&VerifyModel::SLOT)).flatten()
    }

    /// Whether any model is being verified.
    pub const fn is_verifying(&self) -> bool {
        self.verifying.is_some()
    }

    /// A fetch has ended; returns good news for the reader.
    pub(super) fn fetched(
        &mut self,
        name: &ModelName,
        fetched: Result<Fetched, HubError>,
        jobs: &mut Jobs,
    ) -> Option<String> {
        self.fetching = None;
        // A part of it may be there, whatever happened.
        self.look(jobs);
        match fetched {
            Ok(fetched) => {
                let folder = fetched.folder.display();
                Some(format!("{name} is in {folder}. Models… has it."))
            }
            Err(HubError::Cancelled) => None,
            Err(error) => {
                self.failed = Some(error.to_string());
                None
            }
        }
    }

    /// A verification has ended.
    pub(super) fn verified(
        &mut self,
        folder: ModelFolder,
        verified: Result<Verification, HubError>,
    ) {
        self.verifying = None;
        let told = match verified {
            Ok(report) if report.ok => Ok(whole(&report)),
            Ok(report) => Err(report.problems),
            Err(HubError::Cancelled) => return,
            Err(error) => Err(vec![error.to_string()]),
        };
        self.verified = Some((folder, told));
    }
}

fn whole(report: &Verification) -> String {
    let compared = report.files.iter().filter(|file| file.recorded.is_some());
    match compared.count() {
        0 => "Whole and sound; there is no record of the download to compare with.".into(),
        _ => "Whole and sound; every file is as it was fetched.".into(),
    }
}
