//! A real browser without a window: Chromium, driven over the W3C's WebDriver protocol by Debian's driver for it.

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

/// Where pictures are kept, for whoever wants to see what the tests saw.
const SCREENSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/screenshots");

/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Which colours the reader has asked the system for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColourScheme {
    /// Dark text on light ground.
    Light,
    /// The other way round.
    Dark,
}

/// A key, as somebody without a mouse uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrowserKey {
    /// On to the next thing that can be used.
    Tab,
    /// Uses it.
    Enter,
}

impl BrowserKey {
    /// As WebDriver spells it.
    fn code(self) -> &'static str {
        match self {
            Self::Tab => "\u{e004}",
            Self::Enter => "\u{e007}",
        }
    }
}

/// A browser with one page and a profile of its own. It ends when this is dropped.
///
/// Elements are named by CSS selectors, and the first that fits is meant.
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

    /// Opens a page and waits until it is there.
    pub fn open(&self, url: &str) -> anyhow::Result<()> {
        self.post("/url", json!({ "url": url })).map(drop)
    }

    /// Where it is.
    pub fn url(&self) -> anyhow::Result<String> {
        text(self.ask(Method::GET, "/url", Value::Null)?)
    }

    /// The page's title.
    pub fn title(&self) -> anyhow::Result<String> {
        text(self.ask(Method::GET, "/title", Value::Null)?)
    }

    /// Runs a script's body in the page, and says what it returns.
    pub fn run(&self, script: &str) -> anyhow::Result<Value> {
        self.post("/execute/sync", json!({ "script": script, "args": [] }))
    }

    /// What a reader sees of an element.
    pub fn text(&self, selector: &str) -> anyhow::Result<String> {
        let element = self.find(selector)?;
        text(self.ask(Method::GET, &format!("/element/{element}/text"), Value::Null)?)
    }

    /// How many elements there are of a kind.
    pub fn count(&self, selector: &str) -> anyhow::Result<usize> {
        let found = self.post("/elements", json!({ "using": "css selector", "value": selector }))?;
        Ok(found.as_array().map_or(0, Vec::len))
    }

    /// Does what leads to another page, and waits until that page is there. The driver itself waits only for what has begun to
    /// load when it looks, and a form that is sent may begin later.
    pub fn leave_page(&self, act: impl FnOnce(&Self) -> anyhow::Result<()>) -> anyhow::Result<()> {
        self.run("window.isTheOldPage = true")?;
        act(self)?;
        // It may refuse to run anything between two pages.
        let script = "return document.readyState === 'complete' && !window.isTheOldPage";
        let arrived = || matches!(self.run(script), Ok(Value::Bool(true))).then_some(());
        wait::until(Duration::from_secs(30), arrived).context("it leads to no other page")
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

    /// Types wherever the keyboard's focus is.
    pub fn type_keys(&self, keys: &str) -> anyhow::Result<()> {
        let mut strokes = Vec::new();
        for key in keys.chars().map(String::from) {
            strokes.push(json!({ "type": "keyDown", "value": key }));
            strokes.push(json!({ "type": "keyUp", "value": key }));
        }
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", json!({ "actions": [keyboard] })).map(drop)
    }

    /// Presses a key, wherever the keyboard's focus is.
    pub fn press(&self, key: BrowserKey) -> anyhow::Result<()> {
        self.type_keys(key.code())
    }

    /// Presses Tab until the focus is on such an element. Fails when so many presses don't lead there.
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

    /// Makes the page so wide, in CSS pixels.
    pub fn set_width(&self, pixels: u32) -> anyhow::Result<()> {
        let size = json!({ "width": pixels, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.ask_chromium("Emulation.setDeviceMetricsOverride", size).map(drop)
    }

    /// Shows pages in these colours.
    pub fn set_colours(&self, colours: ColourScheme) -> anyhow::Result<()> {
        let value = match colours {
            ColourScheme::Light => "light",
            ColourScheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.ask_chromium("Emulation.setEmulatedMedia", json!({ "features": features })).map(drop)
    }

    /// Takes a picture of the whole page and keeps it as `target/screenshots/NAME.png`.
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

    /// A command of Chromium's own, for what WebDriver has no word for.
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
        // It writes its profile to the end before the profile goes.
        let _ = self.ask(Method::DELETE, "", Value::Null);
    }
}

fn capabilities(profile: &Path) -> Value {
    let mut arguments = vec![
        "--headless=new".to_owned(),
        "--disable-gpu".to_owned(),
        // A container's shared memory is small.
        "--disable-dev-shm-usage".to_owned(),
        "--hide-scrollbars".to_owned(),
        "--no-first-run".to_owned(),
        // Through a pipe, the browser notices when its driver is gone, and ends.
        "--remote-debugging-pipe".to_owned(),
        format!("--user-data-dir={}", profile.display()),
    ];
    // Chromium's sandbox can't be made by the administrator, who is the user in most containers.
    if fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        arguments.push("--no-sandbox".to_owned());
    }
    let chromium = json!({ "args": arguments });
    json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": chromium } } })
}

fn text(value: Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("the browser answered {value}"))
}
