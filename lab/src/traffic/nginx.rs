//! The packaged nginx as a real server, in the foreground, with the same answers as the built-in one as far as it can give them.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::pattern::{PIECE, Pattern, piece_at};
use crate::lab::Lab;
use crate::node::Node;
use crate::process::Process;

/// nginx listens at the latest after this.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Starts nginx on a port of every address: its name for any path, and `/bytes/N` for each N of `sizes`, the pattern of seed 0.
/// While there is a file [`nginx_ill`], the status of any other path is 500.
///
/// # Errors
/// nginx is missing, or did not come up; then with what it said.
pub fn nginx_server(lab: &Lab, node: &Node, port: u16, sizes: &[u64]) -> Result<Process> {
    let name = node.name();
    let directory = lab.directory().join(format!("nginx-{name}"));
    let files = lab.directory().join("files/bytes");
    for path in [&directory, &files] {
        std::fs::create_dir_all(path).with_context(|| path.display().to_string())?;
    }
    for size in sizes {
        let path = files.join(size.to_string());
        if !path.exists() {
            write_pattern(&path, *size).with_context(|| path.display().to_string())?;
        }
    }
    let (directory, root) = (directory.display(), lab.directory().join("files"));
    let ill = nginx_ill(lab, node);
    let ill = ill.display();
    let configuration = format!(
        "daemon off;\nuser root;\nworker_processes 1;\npid {directory}/pid;\nerror_log {directory}/error.log;\n\
         events {{ worker_connections 4096; }}\n\
         http {{\n access_log off;\n client_body_temp_path {directory}/body;\n proxy_temp_path {directory}/proxy;\n \
         fastcgi_temp_path {directory}/fastcgi;\n uwsgi_temp_path {directory}/uwsgi;\n scgi_temp_path {directory}/scgi;\n \
         server {{\n  listen {port} backlog=4096;\n  listen [::]:{port} ipv6only=on backlog=4096;\n  \
         add_header X-Server {name} always;\n  default_type text/plain;\n  root {};\n  \
         location / {{ if (-f {ill}) {{ return 500; }} return 200 \"{name}\\n\"; }}\n  location /bytes/ {{ sendfile on; }}\n }}\n}}\n",
        root.display()
    );
    let path = lab.write_file(format!("nginx-{name}/nginx.conf"), &configuration)?;
    let mut command = Command::new("nginx");
    command.arg("-e").arg(format!("{directory}/error.log")).arg("-c").arg(path);
    let mut process = node.start(command)?;
    let deadline = Instant::now() + START_LIMIT;
    let target = node.sockets(port)[1];
    while node.with(|| std::net::TcpStream::connect_timeout(&target, START_LIMIT))?.is_err() {
        if !process.is_running() || Instant::now() >= deadline {
            bail!("{name}: nginx did not come up: {}", process.output().trim());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(process)
}

/// The file that makes the nginx of a node answer with status 500.
#[must_use]
pub fn nginx_ill(lab: &Lab, node: &Node) -> PathBuf {
    lab.directory().join(format!("nginx-{}/ill", node.name()))
}

fn write_pattern(path: &std::path::Path, size: u64) -> std::io::Result<()> {
    // Several servers share the files: one that is being written must not be served.
    let fresh = path.with_extension("new");
    let mut file = std::fs::File::create(&fresh)?;
    let (mut buffer, mut at) = (vec![0; PIECE], 0);
    while at < size {
        let length = piece_at(at, size);
        Pattern::new(0).fill(at, &mut buffer[..length]);
        file.write_all(&buffer[..length])?;
        at += length as u64;
    }
    std::fs::rename(fresh, path)
}
