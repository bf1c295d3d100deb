//! Work on models: finding, fetching, verifying.

use std::path::PathBuf;

use m3d_assistant::hub::{
    self, Hub, HubOptions, HubRevision, ModelFolder, ModelName, TransferStatus, local,
};
use m3d_imaging::io::Progress;

use super::{Finish, Job, Slot};

/// Looks for the models on this machine.
pub struct FindModels {
    /// Where.
    pub folders: Vec<PathBuf>,
}

impl Job for FindModels {
    fn title(&self) -> String {
        "Looking for models".into()
    }

    fn slot(&self) -> Slot {
        Slot::latest("find models")
    }

    fn run(self: Box<Self>, _: &Progress) -> Finish {
        let found = local::find(&self.folders);
        Box::new(move |app| app.models.found = Some(found))
    }
}

/// Fetches a published model.
pub struct FetchModel {
    /// Its name.
    pub name: ModelName,
    /// Where from.
    pub hub: HubOptions,
    /// Where to.
    pub folder: PathBuf,
}

impl FetchModel {
    /// One model is fetched at a time.
    pub const SLOT: Slot = Slot::latest("fetch model");
}

impl Job for FetchModel {
    fn title(&self) -> String {
        format!("Fetching {}", self.name)
    }

    fn slot(&self) -> Slot {
        Self::SLOT
    }

    fn ends_when_cancelled(&self) -> bool {
        true
    }

    fn is_missed(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let Self { name, hub, folder } = *self;
        let progress = *progress;
        let stop = || progress.is_cancelled();
        let report = |status: TransferStatus| progress.set(status.share());
        let fetched = Hub::new(hub).and_then(|hub| {
            let plan = hub.plan(&name, &HubRevision::default())?;
            hub::fetch(
                &hub,
                &plan,
                &folder,
                &hub::TransferProgress::new(&report, &stop),
            )
        });
        Box::new(move |app| app.model_fetched(&name, fetched))
    }
}

/// Reads a model from end to end.
pub struct VerifyModel {
    /// Its folder.
    pub folder: ModelFolder,
}

impl VerifyModel {
    /// One model is verified at a time.
    pub const SLOT: Slot = Slot::latest("verify model");
}

impl Job for VerifyModel {
    fn title(&self) -> String {
        "Verifying the model".into()
    }

    fn slot(&self) -> Slot {
        Self::SLOT
    }

    fn ends_when_cancelled(&self) -> bool {
        true
    }

    fn run(self: Box<Self>, progress: &Progress) -> Finish {
        let folder = self.folder;
        let progress = *progress;
        let stop = || progress.is_cancelled();
        let report = |status: TransferStatus| progress.set(status.share());
        let verified = hub::verify(&folder, &hub::TransferProgress::new(&report, &stop));
        Box::new(move |app| app.models.verified(folder, verified))
    }
}
