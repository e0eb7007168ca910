//! A real browser without a window, told what to do over the DevTools protocol: one JSON object a message, each ended by a NUL.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fault::{Result, While, fail};
use crate::tool::Tool;

/// Names under which Chromium is installed.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// A browser that has not ended by then is stopped.
const SECONDS_MAX: &str = "600";

/// A browser with one page in it; ended when dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    calls: u64,
    /// What it keeps, until it ends.
    _profile: TempDir,
}

impl Browser {
    /// The name of the browser that is installed, or can be; none where it cannot.
    pub(crate) fn installed() -> Option<&'static str> {
        if Self::name().is_none() {
            // Where we may not install it either, what needs it is skipped and says so.
            for step in [["update", "-qq"].as_slice(), &["install", "-qq", "--yes", "chromium"]] {
                drop(Tool::new("apt-get").args(step).ask());
            }
        }
        Self::name()
    }

    fn name() -> Option<&'static str> {
        NAMES.into_iter().find(|name| Tool::new(name).args(["--version"]).answers())
    }

    /// Opens a page.
    pub(crate) fn open(name: &str, url: &str) -> Result<Self> {
        let profile = tempfile::tempdir().while_doing("temporary folder")?;
        // It reads file 3 and writes file 4. Its sandbox cannot be had by root, nor in most containers; what it opens is ours.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec timeout "$0" "$@" 3<&0 4>&1 >/dev/null 2>&1"#, SECONDS_MAX, name])
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--remote-debugging-pipe",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .while_doing(name)?;
        let to = child.stdin.take().expect("it was piped");
        let from = BufReader::new(child.stdout.take().expect("it was piped"));
        let mut browser = Self { child, to, from, session: None, calls: 0, _profile: profile };
        let made = browser.call("Target.createTarget", json!({"url": url}))?;
        let attach = json!({"targetId": made["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach)?;
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        Ok(browser)
    }

    /// Calls a method and waits for what it returns.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.calls += 1;
        let mut message = json!({"id": self.calls, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{message}\0").as_bytes()).while_doing(method)?;
        loop {
            let mut answer = Vec::new();
            let read = self.from.read_until(0, &mut answer).while_doing(method)?;
            if read == 0 {
                fail!("{method}: the browser ended");
            }
            let mut answer: Value = serde_json::from_slice(&answer[..read - 1]).while_doing(method)?;
            if answer["id"] != json!(self.calls) {
                continue;
            }
            if let Some(error) = answer.get("error") {
                fail!("{method}: {error}");
            }
            return Ok(answer["result"].take());
        }
    }

    /// The value of an expression in the page; of a promise, what it comes to.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut answer = self.call("Runtime.evaluate", params)?;
        if let Some(thrown) = answer.get("exceptionDetails") {
            fail!("{expression}: {thrown}");
        }
        Ok(answer["result"]["value"].take())
    }

    /// Waits until an expression is true.
    pub(crate) fn wait_for(&mut self, expression: &str) -> Result<()> {
        self.evaluate(&format!(
            "new Promise((done) => {{ const timer = setInterval(() => {{ let is; try {{ is = {expression}; }} catch {{ is = false; }} \
             if (is) {{ clearInterval(timer); done(); }} }}, 5); }})"
        ))?;
        Ok(())
    }

    /// Chooses a file in the input that a selector names.
    pub(crate) fn choose(&mut self, selector: &str, file: &Path) -> Result<()> {
        let document = self.call("DOM.getDocument", json!({}))?;
        let of = json!({"nodeId": document["root"]["nodeId"], "selector": selector});
        let node = self.call("DOM.querySelector", of)?;
        self.call("DOM.setFileInputFiles", json!({"nodeId": node["nodeId"], "files": [file]}))?;
        Ok(())
    }

    /// Drops a file onto the middle of the page.
    pub(crate) fn drop_file(&mut self, file: &Path) -> Result<()> {
        let data = json!({"items": [], "files": [file], "dragOperationsMask": 1});
        for kind in ["dragEnter", "dragOver", "drop"] {
            self.call("Input.dispatchDragEvent", json!({"type": kind, "x": 200, "y": 200, "data": data}))?;
        }
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It ends by itself with its input, or is stopped; nothing is lost with it.
        self.session = None;
        drop(self.call("Browser.close", json!({})));
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
