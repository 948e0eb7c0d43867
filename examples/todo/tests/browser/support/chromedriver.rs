//! Debian's chromedriver: one process for all tests of this program, and gone when this program is.

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, OnceLock};
use std::thread;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// Set where a machine without Chromium must not pass: in CI.
const NEEDED: &str = "DIPLOMATIC_NEEDS_CHROMIUM";

const MEND: &str = "install Chromium and its driver for them, on Debian by `apt-get install chromium chromium-driver`";

const FLAGS: &[&str] = &[
    "--headless",
    // Without a sandbox it also runs as root, and in containers; it opens nothing but what the tests serve.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--lang=en-US",
    "--window-size=1280,900",
    "--hide-scrollbars",
    // Half of the work would be frames in which things glide and fade. Tests of what moves ask for it.
    "--force-prefers-reduced-motion",
    // A name that may stand for another machine.
    "--host-resolver-rules=MAP rebound.example 127.0.0.1",
];

/// What runs the driver. It holds the other end of our pipe, which closes however this program ends; then it removes the
/// profiles and ends its process group: the driver and the browsers. (A browser that still writes may need a second go.)
const LEASH: &str = r#""$0" --port=0 & read -r _; rm -rf "$1" || rm -rf "$1"; kill -KILL 0"#;

/// The two programs that the tests need.
pub(crate) struct Installed {
    chromium: PathBuf,
    chromedriver: PathBuf,
}

impl Installed {
    /// Returns where they are, or says once how to install them.
    ///
    /// # Panics
    ///
    /// Where they are needed and not there.
    pub(crate) fn find() -> Option<&'static Self> {
        static FOUND: LazyLock<Option<Installed>> = LazyLock::new(|| {
            let found =
                in_path("chromedriver").zip(["chromium", "chromium-browser", "google-chrome"].iter().find_map(in_path));
            if found.is_none() && !is_needed() {
                // Past the test runner, which keeps what a test prints to itself.
                let _ = writeln!(io::stderr(), "the browser tests of the todo app are skipped: {MEND}");
            }
            found.map(|(chromedriver, chromium)| Installed { chromium, chromedriver })
        });
        assert!(FOUND.is_some() || !is_needed(), "{NEEDED} is set, and there is no Chromium: {MEND}");
        FOUND.as_ref()
    }

    /// Returns the address of the driver, which is started with the first test.
    pub(crate) fn driver(&self) -> &'static str {
        static DRIVER: OnceLock<Driver> = OnceLock::new();
        &DRIVER.get_or_init(|| self.start()).address
    }

    fn start(&self) -> Driver {
        // The driver makes a profile for each browser in it.
        let profiles =
            TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the target directory can be written").keep();
        let mut leash = Command::new("sh")
            .args(["-c", LEASH])
            .arg(&self.chromedriver)
            .arg(&profiles)
            .env("TMPDIR", &profiles)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C ends this program, and by that the group.
            .process_group(0)
            .spawn()
            .expect("there is a shell");
        let mut lines = BufReader::new(leash.stdout.take().expect("it is piped")).lines();
        let port = lines.by_ref().map_while(Result::ok).find_map(|line| {
            line.strip_prefix("ChromeDriver was started successfully on port ")?.strip_suffix('.')?.parse::<u16>().ok()
        });
        // It goes on printing, and must find someone who takes it.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let port = port.expect("chromedriver starts, and tells its port");
        Driver { address: format!("http://127.0.0.1:{port}"), _leash: leash }
    }

    /// Describes a browser.
    pub(crate) fn capabilities(&self) -> Map<String, Value> {
        let options = json!({ "binary": self.chromium, "args": FLAGS });
        Map::from_iter([
            ("goog:chromeOptions".to_owned(), options),
            ("timeouts".to_owned(), json!({ "implicit": 0, "pageLoad": 120_000, "script": 120_000 })),
            ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
        ])
    }
}

/// The driver at work. Nothing at the end of a test program drops it; the end itself closes the pipe.
struct Driver {
    address: String,
    _leash: Child,
}

fn is_needed() -> bool {
    env::var_os(NEEDED).is_some_and(|value| !value.is_empty() && value != "0")
}

fn in_path(name: impl AsRef<Path>) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(&name))
        .find(|file| fs::metadata(file).is_ok_and(|it| it.is_file()))
}
