//! A model on a hub of this machine, and the folder it is fetched into.

use std::path::PathBuf;
use std::time::Duration;

use m3d_assistant::hub::{
    self, Fetched, Hub, HubError, HubOptions, HubRevision, ModelName, TransferProgress,
};

use super::server::{Faults, MODEL, Server};

/// Weights of one tensor, large enough to break off in.
pub const NUMBERS: usize = 200_000;

pub fn weights() -> Vec<u8> {
    let data: Vec<u8> = (0..NUMBERS)
        .flat_map(|n| (n as f32 * 0.5).to_le_bytes())
        .collect();
    let shape = vec![NUMBERS];
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, &data).unwrap();
    safetensors::serialize([("x", view)], None).unwrap()
}

pub fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("README.md", b"nobody needs this".to_vec()),
        ("config.json", b"{\"model_type\": \"lamed_phi3\"}".to_vec()),
        ("model.safetensors", weights()),
        ("pytorch_model.bin", vec![0; 10]),
        ("tokenizer.model", b"pieces".to_vec()),
    ]
}

pub struct Case {
    pub server: Server,
    pub hub: Hub,
    pub place: tempfile::TempDir,
}

impl Case {
    pub fn new(faults: Faults) -> Self {
        Self::with(&files(), faults)
    }

    pub fn with(files: &[(&str, Vec<u8>)], faults: Faults) -> Self {
        let server = Server::start(files, faults);
        let hub = Hub::new(HubOptions {
            endpoint: server.endpoint.clone(),
            token: Some("secret".into()),
            patience: Duration::from_millis(700),
            pauses: vec![Duration::from_millis(20); 2],
            ..HubOptions::default()
        })
        .unwrap();
        let place = tempfile::tempdir().unwrap();
        Self { server, hub, place }
    }

    pub fn folder(&self) -> PathBuf {
        self.place.path().join("someone--some-model")
    }

    pub fn part(&self, file: &str) -> PathBuf {
        self.place
            .path()
            .join("someone--some-model.part")
            .join(file)
    }

    pub fn fetch(&self) -> Result<Fetched, HubError> {
        self.fetch_with(&TransferProgress::silent())
    }

    pub fn fetch_with(&self, progress: &TransferProgress) -> Result<Fetched, HubError> {
        let plan = self.hub.plan(&name(), &HubRevision::default())?;
        hub::fetch(&self.hub, &plan, &self.folder(), progress)
    }

    /// The first byte that each request for the weights asked for.
    pub fn ranges(&self) -> Vec<Option<String>> {
        let requests = self.server.requests("model.safetensors");
        let ranges = requests
            .iter()
            .map(|r| r.header("range").map(str::to_owned));
        ranges.collect()
    }
}

pub fn name() -> ModelName {
    ModelName::parse(MODEL).unwrap()
}
