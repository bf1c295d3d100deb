//! A hub of one model on this machine, which can be told to misbehave.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};

pub const MODEL: &str = "someone/some-model";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the hub does wrong.
#[derive(Clone, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each fault is a switch of its own"
)]
pub struct Faults {
    /// Every answer with weights breaks off after this many bytes of body, this many times.
    pub break_after: Option<(usize, usize)>,
    /// The weights are listed with so many bytes more than they have.
    pub listed_more: u64,
    /// `Content-Length` of the weights is larger by so much.
    pub announced_more: usize,
    /// The weights are listed with the sum of something else.
    pub wrong_sum: bool,
    /// Every request is answered with this status.
    pub status: Option<(u16, &'static str)>,
    /// After this many bytes of weights nothing comes.
    pub stall_after: Option<usize>,
    /// Files are behind a redirect, as on the real hub.
    pub redirect: bool,
    /// A further name in the listing.
    pub further_name: Option<&'static str>,
    /// `Range` is not understood.
    pub no_ranges: bool,
    /// The listing tells no sizes; the tree does.
    pub sizes_in_tree: bool,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub path: String,
    pub headers: BTreeMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

pub struct Server {
    pub endpoint: String,
    pub faults: Arc<Mutex<Faults>>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub fn start(files: &[(&str, Vec<u8>)], faults: Faults) -> Self {
        Self::of(MODEL, files, faults)
    }

    /// A hub of the model of this name.
    pub fn of(model: &'static str, files: &[(&str, Vec<u8>)], faults: Faults) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let files: Arc<BTreeMap<String, Vec<u8>>> = Arc::new(
            files
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), bytes.clone()))
                .collect(),
        );
        let faults = Arc::new(Mutex::new(faults));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (shared, log) = (Arc::clone(&faults), Arc::clone(&requests));
        std::thread::Builder::new()
            .name("hub".into())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (files, faults, log) = (files.clone(), shared.clone(), log.clone());
                    let answer = move || {
                        if let Some(request) = read(&stream) {
                            log.lock().unwrap().push(request.clone());
                            let _ = answer(&stream, model, &request, &files, &faults);
                        }
                        let _ = stream.shutdown(Shutdown::Both);
                    };
                    let thread = std::thread::Builder::new().name("answer".into());
                    thread.spawn(answer).unwrap();
                }
            })
            .unwrap();
        Self {
            endpoint,
            faults,
            requests,
        }
    }

    pub fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }

    /// The requests for a file so far.
    pub fn requests(&self, file: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        let about = requests.iter().filter(|r| r.path.ends_with(file));
        about.cloned().collect()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let path = first.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    for line in lines {
        let line = line.ok()?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Some(Request { path, headers })
}

fn answer(
    mut stream: &TcpStream,
    model: &str,
    request: &Request,
    files: &BTreeMap<String, Vec<u8>>,
    faults: &Mutex<Faults>,
) -> std::io::Result<()> {
    let now = faults.lock().unwrap().clone();
    if let Some((status, code)) = now.status {
        return head(stream, status, 0, &format!("X-Error-Code: {code}\r\n"));
    }
    let path = request.path.split('?').next().unwrap_or_default();
    let listing = format!("/api/models/{model}/revision/main");
    let tree = format!("/api/models/{model}/tree/{COMMIT}");
    let resolve = format!("/{model}/resolve/{COMMIT}/");
    if path == listing || path == tree {
        let told = if path == tree {
            tree_of(files, &now)
        } else {
            listing_of(files, &now)
        };
        let body = told.to_string();
        head(
            stream,
            200,
            body.len(),
            "Content-Type: application/json\r\n",
        )?;
        return stream.write_all(body.as_bytes());
    }
    if let Some(name) = path.strip_prefix(&resolve) {
        if now.redirect {
            // The same server under another name.
            let port = stream.local_addr()?.port();
            let location = format!("Location: http://localhost:{port}/elsewhere/{name}\r\n");
            return head(stream, 302, 0, &location);
        }
        return send(stream, request, name, files, &now, faults);
    }
    match path.strip_prefix("/elsewhere/") {
        Some(name) => send(stream, request, name, files, &now, faults),
        None => head(stream, 404, 0, "X-Error-Code: RepoNotFound\r\n"),
    }
}

fn head(mut stream: &TcpStream, status: u16, length: usize, more: &str) -> std::io::Result<()> {
    let text = format!(
        "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{more}\r\n"
    );
    stream.write_all(text.as_bytes())
}

fn is_weights(name: &str) -> bool {
    name.ends_with(".safetensors")
}

pub fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Size and sum of the weights as this hub tells them.
fn told(name: &str, bytes: &[u8], faults: &Faults) -> Option<(u64, String)> {
    is_weights(name).then(|| {
        let sum = if faults.wrong_sum {
            sum(b"something else")
        } else {
            sum(bytes)
        };
        (bytes.len() as u64 + faults.listed_more, sum)
    })
}

fn listing_of(files: &BTreeMap<String, Vec<u8>>, faults: &Faults) -> serde_json::Value {
    let mut siblings: Vec<_> = files
        .iter()
        .map(|(name, bytes)| match told(name, bytes, faults) {
            _ if faults.sizes_in_tree => serde_json::json!({ "rfilename": name }),
            Some((size, sum)) => serde_json::json!({
                "rfilename": name, "size": size, "blobId": "0",
                "lfs": { "sha256": sum, "size": size, "pointerSize": 135 }
            }),
            None => serde_json::json!({ "rfilename": name, "size": bytes.len(), "blobId": "0" }),
        })
        .collect();
    if let Some(name) = faults.further_name {
        siblings.push(serde_json::json!({ "rfilename": name, "size": 3 }));
    }
    serde_json::json!({
        "id": MODEL, "sha": COMMIT, "gated": false, "siblings": siblings,
        "cardData": { "license": "apache-2.0" }
    })
}

fn tree_of(files: &BTreeMap<String, Vec<u8>>, faults: &Faults) -> serde_json::Value {
    let entries = files
        .iter()
        .map(|(name, bytes)| match told(name, bytes, faults) {
            Some((size, sum)) => serde_json::json!({
                "type": "file", "path": name, "size": size, "oid": "0",
                "lfs": { "oid": sum, "size": size, "pointerSize": 135 }
            }),
            None => serde_json::json!({
                "type": "file", "path": name, "size": bytes.len(), "oid": "0"
            }),
        });
    entries.collect()
}

fn send(
    mut stream: &TcpStream,
    request: &Request,
    name: &str,
    files: &BTreeMap<String, Vec<u8>>,
    now: &Faults,
    faults: &Mutex<Faults>,
) -> std::io::Result<()> {
    let Some(bytes) = files.get(name) else {
        return head(stream, 404, 0, "X-Error-Code: EntryNotFound\r\n");
    };
    let range = request.header("range").filter(|_| !now.no_ranges);
    let from: usize = range
        .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
        .unwrap_or(0);
    let mut body = &bytes[from.min(bytes.len())..];
    let wrong = if is_weights(name) {
        now.announced_more
    } else {
        0
    };
    let length = body.len() + wrong;
    if from > 0 {
        let last = bytes.len() - 1;
        let more = format!("Content-Range: bytes {from}-{last}/{}\r\n", bytes.len());
        head(stream, 206, length, &more)?;
    } else {
        head(stream, 200, length, "")?;
    }
    if is_weights(name) {
        if let Some((after, times)) = now.break_after
            && times > 0
        {
            faults.lock().unwrap().break_after = Some((after, times - 1));
            body = &body[..after.min(body.len())];
        }
        if let Some(after) = now.stall_after {
            stream.write_all(&body[..after.min(body.len())])?;
            stream.flush()?;
            std::thread::sleep(Duration::from_secs(20));
            return Ok(());
        }
    }
    stream.write_all(body)
}
