//! The hub: what it lists of a model, and the requests for its files.

use std::time::Duration;

use hf_hub::api::sync::{Api, ApiBuilder, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};
use serde::Deserialize;
use ureq::config::RedirectAuthHeaders;
use ureq::http::Response;
use ureq::tls::TlsConfig;
use ureq::{Agent, Body};

use super::names::{Need, need};
use super::{HubError, HubRevision, ModelName, environment, roots};
use m3d_model::file_names;

/// Where models come from when `HF_ENDPOINT` names nothing else.
pub const DEFAULT_ENDPOINT: &str = "https://huggingface.co";
/// Largest listing that is read.
const LARGEST_LISTING: u64 = 16 << 20;
/// Most files of a checkpoint, and most bytes of one: far above any published model.
const MOST_FILES: usize = 1024;
const LARGEST_FILE: u64 = 1 << 42;

/// How a hub is reached.
#[derive(Clone)]
pub struct HubOptions {
    /// Its address, without a slash at the end.
    pub endpoint: String,
    /// The reader's access token.
    pub token: Option<String>,
    /// Whether nothing may be asked of it.
    pub offline: bool,
    /// How long nothing may come before the connection counts as broken.
    pub patience: Duration,
    /// How long to wait before each further attempt, while nothing comes; their number is the number
    /// of attempts.
    pub pauses: Vec<Duration>,
}

// A token is no text for logs.
impl std::fmt::Debug for HubOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HubOptions")
            .field("endpoint", &self.endpoint)
            .field("token", &self.token.as_ref().map(|_| "set"))
            .field("offline", &self.offline)
            .field("patience", &self.patience)
            .field("pauses", &self.pauses)
            .finish()
    }
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            endpoint: DEFAULT_ENDPOINT.into(),
            token: None,
            offline: false,
            patience: Duration::from_secs(30),
            pauses: [1, 2, 5, 10].map(Duration::from_secs).to_vec(),
        }
    }
}

impl HubOptions {
    /// The endpoint of `HF_ENDPOINT`, the token of `HF_TOKEN` or of the file that logging in to the hub writes, and
    /// whether `HF_HUB_OFFLINE` is on.
    pub fn from_env() -> Self {
        let default = Self::default();
        Self {
            endpoint: environment::set("HF_ENDPOINT").unwrap_or(default.endpoint.clone()),
            token: environment::token(),
            offline: environment::is_offline(),
            ..default
        }
    }
}

/// What is to be fetched of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The model.
    pub name: ModelName,
    /// The revision asked for.
    pub revision: HubRevision,
    /// The commit that it is now; all files come from this one.
    pub commit: String,
    /// The licence that the hub names.
    pub licence: Option<String>,
    /// The files, small ones first.
    pub files: Vec<PlannedFile>,
}

/// A file as the hub lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, which the hub knows of large files only.
    pub sha256: Option<String>,
}

impl Plan {
    /// Bytes of all files.
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }
}

/// A hub.
pub struct Hub {
    api: Api,
    agent: Agent,
    tls: TlsConfig,
    /// How it is reached.
    pub(super) options: HubOptions,
}

impl Hub {
    /// A hub to be asked; nothing is sent yet.
    ///
    /// # Errors
    /// When the hub may not be asked, for an endpoint that is no address, and when a store of certificates is named that
    /// holds none.
    pub fn new(mut options: HubOptions) -> Result<Self, HubError> {
        if options.offline {
            return Err(HubError::Offline);
        }
        options.endpoint = options.endpoint.trim_end_matches('/').to_owned();
        let wrong = || HubError::Endpoint(options.endpoint.clone());
        let rest = ["https://", "http://"]
            .iter()
            .find_map(|scheme| options.endpoint.strip_prefix(scheme));
        let is_text = |c: char| c.is_ascii_graphic() && !"?#".contains(c);
        if !rest.is_some_and(|rest| !rest.is_empty() && rest.chars().all(is_text)) {
            return Err(wrong());
        }
        // The cache is never used; only its owner's token would be read from beside it.
        let api = ApiBuilder::from_cache(Cache::new(std::env::temp_dir().join("unused/hub")))
            .with_endpoint(options.endpoint.clone())
            .with_token(options.token.clone())
            .build()
            .map_err(|_| wrong())?;
        let tls = roots::tls()?;
        let agent = Agent::config_builder()
            .tls_config(tls.clone())
            .http_status_as_error(false)
            // The token is for the hub, not for wherever it keeps its files.
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(Some(options.patience))
            .timeout_connect(Some(options.patience))
            .timeout_recv_response(Some(options.patience))
            .timeout_per_read(Some(options.patience))
            .build();
        Ok(Self {
            api,
            agent: agent.into(),
            tls,
            options,
        })
    }

    /// Its address.
    pub fn endpoint(&self) -> &str {
        &self.options.endpoint
    }

    /// What is to be fetched of a model.
    ///
    /// # Errors
    /// When the hub cannot be reached, has no such model or refuses it, and when what it lists is no
    /// checkpoint.
    pub fn plan(&self, name: &ModelName, revision: &HubRevision) -> Result<Plan, HubError> {
        let repo = self.repo(name, revision.as_str());
        let what = match revision.as_str() {
            "main" => format!("model {name}"),
            other => format!("model {name} at revision {other}"),
        };
        let request = repo.info_request().query("blobs", "true");
        let options = &self.options;
        let answer = request
            .config()
            .tls_config(self.tls.clone())
            .http_status_as_error(false)
            .timeout_resolve(Some(options.patience))
            .timeout_connect(Some(options.patience))
            .timeout_recv_response(Some(options.patience))
            .timeout_per_read(Some(options.patience))
            .build()
            .call()
            .map_err(|error| self.failed(&error, &what))?;
        let info: Info = self.json(answer, name, &what)?;
        let commit = info.sha.unwrap_or_else(|| revision.as_str().to_owned());
        if HubRevision::parse(&commit).is_err() {
            return Err(self.no_listing(name, "its commit is no name"));
        }
        let mut listed = Vec::new();
        for file in info.siblings {
            if need(&file.rfilename)?.is_some() {
                listed.push(file);
            }
        }
        if listed.iter().any(|file| file.size().is_none()) {
            let tree = self.tree(name, &commit)?;
            for file in &mut listed {
                let found = tree.iter().find(|other| other.rfilename == file.rfilename);
                if let Some(found) = found {
                    file.clone_from(found);
                }
            }
        }
        Ok(Plan {
            files: self.needed(name, listed)?,
            name: name.clone(),
            revision: revision.clone(),
            commit,
            licence: info.card_data.and_then(|card| card.name()),
        })
    }

    /// Asks for a file of a plan from byte `from` on.
    pub(super) fn file(
        &self,
        plan: &Plan,
        file: &str,
        from: u64,
    ) -> Result<Response<Body>, ureq::Error> {
        let url = self.repo(&plan.name, &plan.commit).url(file);
        // Compressed, the bytes that are there could not be counted.
        let mut request = self.agent.get(&url).header("Accept-Encoding", "identity");
        if let Some(token) = &self.options.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        request.call()
    }

    /// The error of an answer that is none.
    pub(super) fn refused(
        &self,
        answer: &Response<Body>,
        name: &ModelName,
        what: &str,
    ) -> HubError {
        let (endpoint, what) = (self.options.endpoint.clone(), what.to_owned());
        let code = answer.headers().get("x-error-code");
        match answer.status().as_u16() {
            // To strangers the hub does not say which models it has not.
            401 | 404 if code.is_some_and(|c| c == "RepoNotFound") => {
                HubError::NotFound { endpoint, what }
            }
            status @ (401 | 403) => HubError::Refused {
                endpoint,
                model: name.to_string(),
                status,
            },
            404 => HubError::NotFound { endpoint, what },
            status => HubError::Status {
                endpoint,
                what,
                status,
            },
        }
    }

    /// The error of a request without an answer.
    pub(super) fn failed(&self, error: &ureq::Error, what: &str) -> HubError {
        let endpoint = self.options.endpoint.clone();
        match error {
            ureq::Error::Timeout(_) => HubError::Stalled {
                endpoint,
                what: what.to_owned(),
                secs: self.options.patience.as_secs().max(1),
            },
            other if other.to_string().to_lowercase().contains("certificate") => {
                HubError::Untrusted {
                    endpoint,
                    reason: other.to_string(),
                }
            }
            other => HubError::Unreachable {
                endpoint,
                reason: other.to_string(),
            },
        }
    }

    fn repo(&self, name: &ModelName, revision: &str) -> ApiRepo {
        let revision = revision.to_owned();
        let repo = Repo::with_revision(name.as_str().to_owned(), RepoType::Model, revision);
        self.api.repo(repo)
    }

    /// The listing of a folder, for hubs that give no sizes with the model.
    fn tree(&self, name: &ModelName, commit: &str) -> Result<Vec<Sibling>, HubError> {
        let commit = commit.replace('/', "%2F");
        let url = format!("{}/api/models/{name}/tree/{commit}", self.options.endpoint);
        let mut request = self.agent.get(&url);
        if let Some(token) = &self.options.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let what = format!("listing of {name}");
        let answer = request.call().map_err(|e| self.failed(&e, &what))?;
        self.json(answer, name, &what)
    }

    fn json<T: serde::de::DeserializeOwned>(
        &self,
        mut answer: Response<Body>,
        name: &ModelName,
        what: &str,
    ) -> Result<T, HubError> {
        if !answer.status().is_success() {
            return Err(self.refused(&answer, name, what));
        }
        let body = answer.body_mut().with_config().limit(LARGEST_LISTING);
        let text = body.read_to_vec().map_err(|e| self.failed(&e, what))?;
        serde_json::from_slice(&text).map_err(|e| self.no_listing(name, &e.to_string()))
    }

    fn no_listing(&self, name: &ModelName, reason: &str) -> HubError {
        HubError::Listing {
            endpoint: self.options.endpoint.clone(),
            model: name.to_string(),
            reason: reason.to_owned(),
        }
    }

    /// The files to fetch, checked and in order.
    fn needed(&self, name: &ModelName, listed: Vec<Sibling>) -> Result<Vec<PlannedFile>, HubError> {
        let whole = listed
            .iter()
            .any(|file| file.rfilename == file_names::WEIGHTS);
        let mut files: Vec<(Need, PlannedFile)> = Vec::new();
        for file in listed {
            let size = file.size().filter(|&size| size <= LARGEST_FILE);
            let Some(size) = size else {
                let reason = format!("it tells no size of {}", file.rfilename);
                return Err(self.no_listing(name, &reason));
            };
            let need = need(&file.rfilename)?.unwrap_or(Need::Part);
            // A checkpoint is opened from its one file where there is one.
            if !(whole && need == Need::Part) {
                let sha256 = file.sha256();
                let name = file.rfilename;
                files.push((need, PlannedFile { name, size, sha256 }));
            }
        }
        files.sort_by(|(a, left), (b, right)| (a, &left.name).cmp(&(b, &right.name)));
        files.dedup_by(|(_, a), (_, b)| a.name == b.name);
        let has = |wanted: &str| files.iter().any(|(_, file)| file.name == wanted);
        let missing = if !has(file_names::CONFIG) {
            file_names::CONFIG.to_owned()
        } else if !has(file_names::WEIGHTS) && !has(file_names::WEIGHTS_INDEX) {
            format!("{} (or its index and parts)", file_names::WEIGHTS)
        } else if !has(file_names::TOKENIZER) && !has(file_names::VOCABULARY) {
            format!("{} (or {})", file_names::TOKENIZER, file_names::VOCABULARY)
        } else if files.len() > MOST_FILES {
            return Err(self.no_listing(name, "it has too many files"));
        } else {
            return Ok(files.into_iter().map(|(_, file)| file).collect());
        };
        Err(HubError::NoCheckpoint {
            model: name.to_string(),
            missing,
        })
    }
}

#[derive(Deserialize)]
struct Info {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
    #[serde(default, rename = "cardData")]
    card_data: Option<Card>,
}

/// A file in either listing: `rfilename` and `lfs.sha256` in one, `path` and `lfs.oid` in the other.
#[derive(Clone, Deserialize)]
struct Sibling {
    #[serde(alias = "path")]
    rfilename: String,
    size: Option<u64>,
    lfs: Option<Lfs>,
}

#[derive(Clone, Deserialize)]
struct Lfs {
    #[serde(alias = "oid")]
    sha256: Option<String>,
    size: Option<u64>,
}

impl Sibling {
    /// The large file's own size, not that of the pointer that stands for it.
    fn size(&self) -> Option<u64> {
        self.lfs.as_ref().and_then(|lfs| lfs.size).or(self.size)
    }

    fn sha256(&self) -> Option<String> {
        let sum = self.lfs.as_ref()?.sha256.as_ref()?;
        let sum = sum.strip_prefix("sha256:").unwrap_or(sum);
        let is_sum = sum.len() == 64 && sum.bytes().all(|c| c.is_ascii_hexdigit());
        is_sum.then(|| sum.to_ascii_lowercase())
    }
}

#[derive(Deserialize)]
struct Card {
    #[serde(default)]
    license: serde_json::Value,
    #[serde(default)]
    license_name: serde_json::Value,
}

impl Card {
    fn name(&self) -> Option<String> {
        // `other` says nothing; the name beside it does.
        let named = [&self.license_name, &self.license];
        let text = named.into_iter().find_map(serde_json::Value::as_str)?;
        Some(text.chars().filter(|c| !c.is_control()).take(80).collect())
    }
}
