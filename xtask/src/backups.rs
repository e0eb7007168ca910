//! Backups to a bucket: the drill of `crates/annals/tests/it/backing_up.rs` against an S3 server by others.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fault::{Result, While, fail, require};
use crate::foreign::virtual_environment;
use crate::relay::postgres::free_port;
use crate::stages::Tally;
use crate::tool::Tool;

/// An S3 server in memory that honours conditional writes, as a PyPI package.
const PACKAGE: &str = "moto[server]==5.2.5";

/// Longest wait for its start.
const READY_SECONDS_MAX: u64 = 60;

const BUCKET: &str = "annals-backups";

/// Starts the server, makes a bucket, runs the tests that want one.
pub(crate) fn run() -> Result<Tally> {
    let programs = virtual_environment("moto", &["install", "--quiet", PACKAGE])?;
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
    let server = Command::new(programs.join("moto_server"))
        .args(["-H", "127.0.0.1", "-p", &address.port().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .while_doing("start moto_server")?;
    let _server = Running(server);
    make_bucket(address)?;
    let (passed, said) = Tool::cargo()
        .args(["test", "--quiet", "--package", "annals", "--bin", "annals", "--test", "it"])
        .args(["--", "from_a_bucket", "--nocapture"])
        .env("ANNALS_TEST_S3_URL", format!("s3://{BUCKET}/tests"))
        .env("AWS_ENDPOINT_URL", format!("http://{address}"))
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", "testing")
        .env("AWS_SECRET_ACCESS_KEY", "testing")
        .env("AWS_REGION", "us-east-1")
        .ask()?;
    println!("{said}");
    require!(passed, "the drill against a bucket failed");
    let ran = said.matches("2 passed").count() == 2 && !said.contains("skipped:");
    require!(ran, "the tests that want a bucket did not run");
    Ok(Tally::passed(4))
}

/// Makes the bucket as soon as the server answers, and has everybody read what is in it, as a public log is read. By hand: our
/// client sends a key, which is not one of S3.
fn make_bucket(address: SocketAddr) -> Result<()> {
    let began = Instant::now();
    loop {
        match put(address, "", "") {
            Ok(said) if said.starts_with("HTTP/1.1 200") => break,
            Ok(said) => fail!("making a bucket: {said}"),
            Err(error) if began.elapsed() > Duration::from_secs(READY_SECONDS_MAX) => {
                fail!("moto_server does not answer: {error}")
            }
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{BUCKET}/*"),
    }]});
    let said = put(address, "?policy", &policy.to_string()).while_doing("let everybody read the bucket")?;
    require!(said.starts_with("HTTP/1.1 20"), "letting everybody read the bucket: {said}");
    Ok(())
}

fn put(address: SocketAddr, query: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    let length = body.len();
    write!(
        stream,
        "PUT /{BUCKET}{query} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    Ok(said)
}

/// Ends the server with the stage.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
