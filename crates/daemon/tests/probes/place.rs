//! A namespace with files and real servers in it; all of it goes when the test ends.

use relvs_net::namespace::Namespace;
use std::{
    fs,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// A server listens at the latest after this.
const START: Duration = Duration::from_secs(20);

pub(crate) struct Place {
    pub(crate) namespace: Namespace,
    directory: tempfile::TempDir,
    started: Vec<Child>,
}

impl Place {
    /// None, with a printed line, where one cannot be made.
    pub(crate) fn new() -> Option<Place> {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: network namespaces need root");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("relvs-probes-").tempdir().unwrap();
        Some(Place { namespace: Namespace::new().unwrap(), directory, started: Vec::new() })
    }

    /// The path of a file in the place's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// Starts a server and waits until it listens for connections. Its output goes to `<program>.log`.
    pub(crate) fn start(&mut self, program: &str, arguments: &str, listens: &str) {
        let log = fs::File::create(self.path(&format!("{program}.log"))).unwrap();
        let mut command = Command::new(program);
        command.args(arguments.split_whitespace()).current_dir(self.directory.path()).env("PYTHONUNBUFFERED", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let child = self.namespace.run(|| command.spawn()).unwrap().unwrap_or_else(|e| panic!("{program}: {e}"));
        self.started.push(child);
        let listens: SocketAddr = listens.parse().unwrap();
        let begun = Instant::now();
        while self.namespace.run(|| TcpStream::connect(listens)).unwrap().is_err() {
            assert!(begun.elapsed() < START, "{program}: {}", self.read(&format!("{program}.log")));
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for child in &mut self.started {
            // nginx's master takes its workers along.
            let pid = rustix::process::Pid::from_child(child);
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(3) && matches!(child.try_wait(), Ok(None)) {
                thread::sleep(Duration::from_millis(10));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
