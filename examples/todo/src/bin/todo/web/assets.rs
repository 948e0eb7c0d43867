//! The files of the site, and what ties them together: a version is a folder, so that no page mixes two of them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::build::Built;

macro_rules! files {
    ($($folder:literal / $name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $name)))),*]
    };
}

/// What a page loads: the page of the program, and what only the site has.
const FILES: &[(&str, &[u8])] = files![
    "page" / "style.css",
    "page" / "device.js",
    "page" / "channel.js",
    "page" / "lists.js",
    "page" / "item.js",
    "page" / "keys.js",
    "page" / "drag.js",
    "page" / "log.js",
    "page" / "dom.js",
    "site" / "start.css",
    "site" / "site.js",
    "site" / "fragment.js",
    "site" / "account.js",
    "site" / "vault.js",
    "site" / "start.js",
    "site" / "unlock.js",
    "site" / "panel.js",
    "site" / "seeds.js",
    "site" / "engine.js",
    "site" / "worker.js",
    "site" / "manifest.webmanifest",
    "site" / "icon.svg",
    "site" / "icon-192.png",
    "site" / "icon-512.png",
];

const INDEX: &str = include_str!("../../../../page/index.html");
const START: &str = include_str!("../../../../site/start.html");
const SERVICE_WORKER: &str = include_str!("../../../../site/service-worker.js");

/// Connections go to the site itself and to the host, whose address the person chooses: over TLS, or on this machine.
const POLICY: &str = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self' https: wss: http://localhost:* ws://localhost:* http://127.0.0.1:* ws://127.0.0.1:*; worker-src 'self'; \
    manifest-src 'self'; base-uri 'none'; form-action 'none'";

/// A file of the site.
#[derive(Debug)]
pub(super) struct File {
    /// Its path below the site's address.
    pub(super) path: String,
    pub(super) content: Vec<u8>,
    /// Whether it never changes under this path.
    pub(super) is_immutable: bool,
}

/// All files of the site.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) files: Vec<File>,
}

/// Why the site could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    #[error("page/index.html has no {0:?} any more: the site has to be adapted to that")]
    Adapt(&'static str),
    #[error("{} cannot be written: fix that, or choose another folder with --out", .path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} holds something that is no earlier version of this site: choose an empty folder with --out", .path.display())]
    Foreign { path: PathBuf },
}

impl Site {
    /// Puts the files together.
    pub(super) fn assemble(Built { module, wasm }: Built) -> Result<Self, SiteError> {
        let mut contents: Vec<(&str, Vec<u8>)> =
            FILES.iter().map(|(name, content)| (*name, content.to_vec())).collect();
        contents.extend([("todo-web.js", module), ("todo-web_bg.wasm", wasm)]);
        let mut hash = Sha256::new();
        for (name, content) in &contents {
            hash.update(format!("{name} {} ", content.len()));
            hash.update(content);
        }
        hash.update(INDEX.len().to_string() + INDEX + START + SERVICE_WORKER);
        let version = format!("v-{}", &hex(&hash.finalize())[..16]);

        let mut files: Vec<File> = contents
            .into_iter()
            .map(|(name, content)| File { path: format!("{version}/{name}"), content, is_immutable: true })
            .collect();
        files.push(File { path: String::new(), content: index(&version)?.into_bytes(), is_immutable: false });
        let list: serde_json::Map<_, _> =
            files.iter().map(|file| (format!("./{}", file.path), hex(&Sha256::digest(&file.content)).into())).collect();
        let headers: serde_json::Map<_, _> =
            headers().map(|(name, value)| (name.to_owned(), value.into())).into_iter().collect();
        let worker = SERVICE_WORKER
            .replace("{version}", &version)
            .replace("{files}", &serde_json::Value::from(list).to_string())
            .replace("{headers}", &serde_json::Value::from(headers).to_string());
        files.push(File { path: "service-worker.js".to_owned(), content: worker.into_bytes(), is_immutable: false });
        Ok(Self { files })
    }

    /// Writes the site to a folder, which is empty or holds an earlier version. What names the new version comes last.
    pub(super) fn write(&self, folder: &Path) -> Result<(), SiteError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SiteError::Write { path, source }
        };
        let is_ours = folder.join("service-worker.js").exists();
        let earlier = match fs::read_dir(folder) {
            Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(folder)(error)),
        };
        if !is_ours && !earlier.is_empty() {
            return Err(SiteError::Foreign { path: folder.to_owned() });
        }
        for file in &self.files {
            let path = folder.join(if file.path.is_empty() { "index.html" } else { &file.path });
            let above = path.parent().unwrap_or(folder);
            fs::create_dir_all(above).map_err(failed(above))?;
            fs::write(&path, &file.content).map_err(failed(&path))?;
        }
        let headers = headers().map(|(name, value)| format!("  {name}: {value}\n")).concat();
        let path = folder.join("_headers");
        fs::write(&path, format!("/*\n{headers}")).map_err(failed(&path))?;
        let is_old = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            name.starts_with("v-") && !self.files.iter().any(|file| file.path.starts_with(name))
        };
        for old in earlier.iter().filter(is_old) {
            fs::remove_dir_all(old).map_err(failed(old))?;
        }
        Ok(())
    }
}

/// The headers of every file. Most of them also hold without a server that sends them: the page has the policy in itself, and the
/// service worker adds the rest.
pub(super) fn headers() -> [(&'static str, String); 4] {
    [
        ("content-security-policy", format!("{POLICY}; frame-ancestors 'none'")),
        ("referrer-policy", "no-referrer".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("cross-origin-resource-policy", "same-origin".to_owned()),
    ]
}

/// Makes the page of the site from that of the program.
fn index(version: &str) -> Result<String, SiteError> {
    let mut page = INDEX.to_owned();
    let mut adapt = |from: &'static str, to: String| {
        if !page.contains(from) {
            return Err(SiteError::Adapt(from));
        }
        page = page.replace(from, &to);
        Ok(())
    };
    let policy =
        format!("<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">");
    adapt("<meta charset=\"utf-8\">", policy)?;
    let head = format!(
        "<meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"manifest\" href=\"{version}/manifest.webmanifest\">\n\
         <link rel=\"apple-touch-icon\" href=\"{version}/icon-192.png\">\n\
         <link rel=\"stylesheet\" href=\"{version}/style.css\">\n\
         <link rel=\"stylesheet\" href=\"{version}/start.css\">"
    );
    adapt("<link rel=\"stylesheet\" href=\"style.css\">", head)?;
    adapt("src=\"main.js\"", format!("src=\"{version}/site.js\""))?;
    adapt("{devices}", "this".to_owned())?;
    adapt("it draws what the program on this machine sends.", "your lists are kept and sealed by it.".to_owned())?;
    adapt("</body>", format!("{START}</body>"))?;
    Ok(page)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
