//! The hub as its own libraries leave it: roots of a proxy, their cache, their token, and no network at all.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use m3d_model::write_demo_checkpoint;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::fetch::case::Case;
use super::fetch::server::{Faults, MODEL};
use super::fetch::{command, errors, viewer};
use super::{json, root};

fn tls(name: &str) -> PathBuf {
    root().join("tests/data/tls").join(name)
}

/// A proxy that shows a certificate of its own and passes on what it reads; its port.
fn intercepting_proxy(hub: &str) -> u16 {
    let chain = CertificateDer::pem_file_iter(tls("server.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(tls("server.key")).unwrap();
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain.map(Result::unwrap).collect(), key)
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let hub = hub.trim_start_matches("http://").to_owned();
    let pass_on = move |stream: TcpStream| -> std::io::Result<()> {
        let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut secure = StreamOwned::new(connection, stream);
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            secure.read_exact(&mut byte)?;
            request.push(byte[0]);
        }
        let mut plain = TcpStream::connect(&hub)?;
        plain.write_all(&request)?;
        let mut answer = Vec::new();
        plain.read_to_end(&mut answer)?;
        secure.write_all(&answer)?;
        secure.conn.send_close_notify();
        secure.flush()
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever does not trust it hangs up.
            let _ = pass_on(stream);
        }
    });
    port
}

#[test]
fn a_proxy_with_a_root_of_its_own_is_trusted_when_its_root_is() {
    let case = Case::new(Faults::default());
    let port = intercepting_proxy(&case.server.endpoint);
    let fetch = |store: Option<&Path>| {
        let mut command = command(&case, &["model", "fetch", MODEL, "--yes"]);
        command.env("HF_ENDPOINT", format!("https://localhost:{port}"));
        command
            .env("NO_PROXY", "localhost")
            .env_remove("SSL_CERT_DIR");
        match store {
            Some(store) => command.env("SSL_CERT_FILE", store),
            None => command.env_remove("SSL_CERT_FILE"),
        };
        command.output().unwrap()
    };
    let strange = fetch(None);
    assert_eq!(strange.status.code(), Some(1));
    let told = errors(&strange);
    assert!(
        told.contains("not trusted") && told.contains("SSL_CERT_FILE"),
        "{told}"
    );
    let known = fetch(Some(&tls("root.pem")));
    assert!(known.status.success(), "{}", errors(&known));
    assert!(case.folder().join("model.safetensors").is_file());
    let empty = case.place.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let told = errors(&fetch(Some(&empty)));
    assert!(
        told.contains("SSL_CERT_FILE names") && told.contains("no certificate"),
        "{told}"
    );
}

/// Writes a checkpoint where the hub's libraries would have put it.
fn write_cached(cache: &Path) -> PathBuf {
    let repository = cache.join(format!("models--{}", MODEL.replace('/', "--")));
    let snapshot = repository.join("snapshots/0123456789abcdef");
    write_demo_checkpoint(&snapshot, &root().join("tests/golden/tokenizer")).unwrap();
    // They keep links to the files.
    let blobs = repository.join("blobs");
    fs::create_dir_all(&blobs).unwrap();
    #[cfg(unix)]
    for entry in fs::read_dir(&snapshot).unwrap().flatten() {
        let blob = blobs.join(entry.file_name());
        fs::rename(entry.path(), &blob).unwrap();
        std::os::unix::fs::symlink(&blob, entry.path()).unwrap();
    }
    fs::create_dir_all(repository.join("refs")).unwrap();
    fs::write(repository.join("refs/main"), "0123456789abcdef").unwrap();
    snapshot
}

#[test]
fn a_model_in_the_hubs_cache_is_used_without_a_download() {
    let case = Case::new(Faults::default());
    let offline = |arguments: &[&str], cache: Option<&Path>| {
        let mut command = command(&case, arguments);
        command.env("HF_HUB_OFFLINE", "1");
        command.env("XDG_CACHE_HOME", case.place.path().join("ours"));
        if let Some(cache) = cache {
            command.env("HF_HUB_CACHE", cache);
        }
        command.output().unwrap()
    };
    // Nothing is there, and nothing may be asked for.
    let refused = offline(&["model", "fetch", MODEL, "--yes"], None);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        errors(&refused).contains("HF_HUB_OFFLINE"),
        "{}",
        errors(&refused)
    );

    let elsewhere = case.place.path().join("elsewhere");
    for (folder, cache) in [
        (case.place.path().join("hf/hub"), None),
        (elsewhere.clone(), Some(elsewhere.as_path())),
    ] {
        let snapshot = write_cached(&folder);
        let before = fs::read_dir(&snapshot).unwrap().count();
        let report = json(&offline(&["model", "verify", MODEL, "--json"], cache));
        assert_eq!(report["folder"], snapshot.to_str().unwrap());
        assert_eq!(report["ok"], true);
        let fetched = offline(&["model", "fetch", MODEL], cache);
        assert!(fetched.status.success(), "{}", errors(&fetched));
        let told = String::from_utf8_lossy(&fetched.stdout).into_owned();
        assert_eq!(told.trim(), snapshot.to_str().unwrap());
        // No file of ours lies there.
        assert_eq!(fs::read_dir(&snapshot).unwrap().count(), before);
        fs::remove_dir_all(&folder).unwrap();
    }
    assert!(case.server.requests("blobs=true").is_empty());
}

#[test]
fn the_token_that_logging_in_left_is_sent() {
    let case = Case::new(Faults::default());
    fs::create_dir_all(case.place.path().join("hf")).unwrap();
    fs::write(case.place.path().join("hf/token"), "hf_secret\n").unwrap();
    let sent = || {
        let requests = case.server.requests("blobs=true");
        requests
            .last()
            .unwrap()
            .headers
            .get("authorization")
            .cloned()
    };
    viewer(&case, &["model", "fetch", MODEL, "--yes"]);
    assert_eq!(sent().as_deref(), Some("Bearer hf_secret"));
    command(&case, &["model", "fetch", MODEL, "--yes"])
        .env("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")
        .output()
        .unwrap();
    assert_eq!(sent(), None);
}
