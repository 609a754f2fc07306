//! A console that runs, and requests to it that no browser would make.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use end_to_end::program;
use reqwest::{
    Client, Method, StatusCode,
    header::{COOKIE, HeaderMap, SET_COOKIE},
    redirect::Policy,
};
use serde_json::Value;

/// A running `provisioner console`. It is killed when this is dropped.
pub struct Console {
    process: Child,
    /// What it printed: with the key.
    pub url: String,
    /// The same without.
    pub base: String,
}

/// What it answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Console {
    /// Starts one in this directory, and waits until it says where it is.
    pub fn start(dir: &Path, options: &[&str]) -> Self {
        let mut process = Command::new(program("provisioner"))
            .args(["console", "--config", "corp.toml", "--json"])
            .args(options)
            .current_dir(dir)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap();
        let url = said["url"].as_str().unwrap().to_owned();
        let base = url.split_once("/?").unwrap().0.to_owned();
        Self { process, url, base }
    }

    /// The cookie that the printed address is exchanged for.
    pub fn cookie(&self) -> String {
        let answer = ask(Method::GET, &self.url, &[], None);
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        let cookie = answer.headers[SET_COOKIE].to_str().unwrap();
        cookie.split_once(';').unwrap().0.to_owned()
    }

    /// A page, as somebody with the cookie sees it.
    pub fn page(&self, path: &str) -> Answer {
        let cookie = self.cookie();
        ask(Method::GET, &format!("{}{path}", self.base), &[(COOKIE.as_str(), &cookie)], None)
    }

    /// What a form of its own carries.
    pub fn form_key(&self, path: &str) -> String {
        let page = self.page(path).text;
        let (_, rest) =
            page.split_once("name=\"form_key\" value=\"").unwrap_or_else(|| panic!("no form\n{page}"));
        rest.split_once('"').unwrap().0.to_owned()
    }

    /// Presses Ctrl-C, and says how it ended.
    pub fn interrupt(mut self) -> ExitStatus {
        let sent = Command::new("sh")
            .args(["-c", "kill -INT \"$1\"", "sh", &self.process.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(10), "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks with exactly these headers, and follows nothing.
pub fn ask(method: Method, url: &str, headers: &[(&str, &str)], form: Option<&str>) -> Answer {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        let mut request = client.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(form) = form {
            request =
                request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.unwrap() }
    })
}
