//! A headless Chromium, driven by chromedriver over WebDriver.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{background::BackgroundRuntime, owned_process::OwnedProcess, ports, wait};

/// Folder of the screenshots.
const SCREENSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/screenshots");

/// Key of an element's id in WebDriver's answers.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Colour scheme that pages are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourScheme {
    /// Dark text on a light background.
    Light,
    /// Light text on a dark background.
    Dark,
}

/// A key of the keyboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowserKey {
    /// Moves the focus to the next element.
    Tab,
    /// Activates the focused element.
    Enter,
}

impl BrowserKey {
    /// WebDriver's code of the key.
    fn code(self) -> &'static str {
        match self {
            Self::Tab => "\u{e004}",
            Self::Enter => "\u{e007}",
        }
    }
}

/// A browser with one page and its own profile. It ends on drop.
///
/// Elements are given by CSS selectors; the first match is used.
pub struct Browser {
    session: String,
    client: Client,
    background: BackgroundRuntime,
    _driver: OwnedProcess,
    _profile: TempDir,
}

impl Browser {
    /// Starts a browser with an empty page.
    pub fn start() -> anyhow::Result<Self> {
        let port = ports::free()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).stdout(Stdio::null()).stderr(Stdio::null());
        let mut driver = OwnedProcess::start_group(Path::new(""), &mut command)
            .context("cannot start chromedriver: run ./tests/run, which installs it")?;
        let listens = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok();
        let up =
            wait::until(Duration::from_secs(30), || (driver.ended().is_some() || listens()).then(listens));
        if up != Some(true) {
            bail!("chromedriver did not start");
        }
        let profile = tempfile::Builder::new().prefix("browser-").tempdir()?;
        let background = BackgroundRuntime::start("browser")?;
        let client = Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?;
        let mut browser = Self {
            session: format!("http://127.0.0.1:{port}/session"),
            client,
            background,
            _driver: driver,
            _profile: profile,
        };
        let wanted = capabilities(browser._profile.path());
        let answer = browser.ask(Method::POST, "", wanted).context("the browser did not start")?;
        let id = answer["sessionId"].as_str().context("the browser has no session")?;
        browser.session = format!("{}/{id}", browser.session);
        Ok(browser)
    }

    /// Opens a page, and waits until it is loaded.
    pub fn open(&self, url: &str) -> anyhow::Result<()> {
        self.post("/url", json!({ "url": url })).map(drop)
    }

    /// Address of the page.
    pub fn url(&self) -> anyhow::Result<String> {
        text(self.ask(Method::GET, "/url", Value::Null)?)
    }

    /// Title of the page.
    pub fn title(&self) -> anyhow::Result<String> {
        text(self.ask(Method::GET, "/title", Value::Null)?)
    }

    /// Runs the body of a script in the page, and returns its result.
    pub fn run(&self, script: &str) -> anyhow::Result<Value> {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// Visible text of an element.
    pub fn text(&self, selector: &str) -> anyhow::Result<String> {
        let element = self.find(selector)?;
        text(self.ask(Method::GET, &format!("/element/{element}/text"), Value::Null)?)
    }

    /// Number of elements that match.
    pub fn count(&self, selector: &str) -> anyhow::Result<usize> {
        let found = self.post("/elements", json!({ "using": "css selector", "value": selector }))?;
        Ok(found.as_array().map_or(0, Vec::len))
    }

    /// Performs an action that opens another page, and waits until that page is loaded. The driver waits only for
    /// pages that start to load at once.
    pub fn leave_page(&self, act: impl FnOnce(&Self) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.run("window.isTheOldPage = true")?;
        act(self)?;
        // The browser may refuse scripts between two pages.
        let script = "return document.readyState === 'complete' && !window.isTheOldPage";
        let arrived = || matches!(self.run(script), Ok(Value::Bool(true))).then_some(());
        wait::until(Duration::from_secs(30), arrived).context("no other page was opened")
    }

    /// Clicks on an element.
    pub fn click(&self, selector: &str) -> anyhow::Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("/element/{element}/click"), json!({})).map(drop)
    }

    /// Types into an element.
    pub fn type_into(&self, selector: &str, keys: &str) -> anyhow::Result<()> {
        let element = self.find(selector)?;
        self.post(&format!("/element/{element}/value"), json!({ "text": keys })).map(drop)
    }

    /// Types into the focused element.
    pub fn type_keys(&self, keys: &str) -> anyhow::Result<()> {
        let mut strokes = Vec::new();
        for key in keys.chars().map(String::from) {
            strokes.push(json!({ "type": "keyDown", "value": key }));
            strokes.push(json!({ "type": "keyUp", "value": key }));
        }
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", json!({ "actions": [keyboard] })).map(drop)
    }

    /// Presses a key.
    pub fn press(&self, key: BrowserKey) -> anyhow::Result<()> {
        self.type_keys(key.code())
    }

    /// Presses Tab until a matching element has the focus, at most this many times.
    pub fn tab_to(&self, selector: &str, presses: usize) -> anyhow::Result<()> {
        let script = format!("return document.activeElement.matches({})", Value::from(selector));
        for _ in 0..presses {
            self.press(BrowserKey::Tab)?;
            if self.run(&script)? == Value::Bool(true) {
                return Ok(());
            }
        }
        bail!("{presses} presses of Tab don't lead to {selector}")
    }

    /// Sets the width of the page in CSS pixels.
    pub fn set_width(&self, pixels: u32) -> anyhow::Result<()> {
        let size = json!({ "width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.ask_chromium("Emulation.setDeviceMetricsOverride", size).map(drop)
    }

    /// Sets the colour scheme.
    pub fn set_colours(&self, colours: ColourScheme) -> anyhow::Result<()> {
        let value = match colours {
            ColourScheme::Light => "light",
            ColourScheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.ask_chromium("Emulation.setEmulatedMedia", json!({ "features": features })).map(drop)
    }

    /// Saves a screenshot of the whole page as `target/screenshots/NAME.png`.
    pub fn screenshot(&self, name: &str) -> anyhow::Result<PathBuf> {
        let how = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.ask_chromium("Page.captureScreenshot", how)?;
        let data = answer["data"].as_str().context("there is no picture")?;
        let folder = Path::new(SCREENSHOTS);
        fs::create_dir_all(folder)?;
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, BASE64_STANDARD.decode(data)?)?;
        Ok(path)
    }

    fn find(&self, selector: &str) -> anyhow::Result<String> {
        let found = self.post("/element", json!({ "using": "css selector", "value": selector }))?;
        text(found[ELEMENT].clone())
    }

    /// A command of Chromium's DevTools protocol.
    fn ask_chromium(&self, command: &str, parameters: Value) -> anyhow::Result<Value> {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    fn post(&self, path: &str, body: Value) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, body)
    }

    fn ask(&self, method: Method, path: &str, body: Value) -> anyhow::Result<Value> {
        let mut request = self.client.request(method, format!("{}{path}", self.session));
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer: Value =
            self.background.wait_for(async move { Ok(request.send().await?.json().await?) })?;
        let value = answer["value"].clone();
        match value["error"].as_str() {
            Some(error) => bail!("the browser says \"{error}\" to {path}: {}", value["message"]),
            None => Ok(value),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser writes to its profile until it ends.
        let _ = self.ask(Method::DELETE, "", Value::Null);
    }
}

fn capabilities(profile: &Path) -> Value {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        "--disable-gpu".to_owned(),
        // The shared memory of a container is small.
        "--disable-dev-shm-usage".to_owned(),
        "--hide-scrollbars".to_owned(),
        "--no-first-run".to_owned(),
        // Through a pipe, the browser ends when its driver ends.
        "--remote-debugging-pipe".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    // Chromium's sandbox does not work for root, the user of most containers.
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        arguments.push("--no-sandbox".to_owned());
    }
    let chromium = json!({ "args": arguments });
    json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": chromium } } })
}

fn text(value: Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("the browser answered {value}"))
}
