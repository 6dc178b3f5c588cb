//! Scripts that servers and services name: one at a time for each of them, in order; all in all a bounded number at once.

use super::{Telling, words};
use crate::health::program::{End, Programs};
use relvs_model::health::{Event, Script};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinSet;

/// So many scripts of one subject wait; then the oldest is left out, since what it would say is past.
const WAITING_MAX: usize = 64;

/// Whom an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Service(relvs_model::ServiceKey),
    Server(relvs_model::ServiceKey, IpAddr, u16),
}

impl From<&Event> for Subject {
    fn from(event: &Event) -> Self {
        match event {
            Event::Server { service, address, port, .. } => Subject::Server(*service, *address, *port),
            Event::Quorum { service, .. } | Event::Sorry { service, .. } => Subject::Service(*service),
        }
    }
}

/// What runs and what waits.
#[derive(Default)]
pub(super) struct Scripts {
    programs: Arc<Programs>,
    running: JoinSet<Subject>,
    /// Whose script runs, and what comes after it.
    waiting: HashMap<Subject, VecDeque<(Arc<Telling>, Script)>>,
}

impl Scripts {
    /// Runs the script when those before it, of the same subject, have ended.
    pub(super) fn tell(&mut self, telling: Arc<Telling>, script: Script) {
        let subject = Subject::from(&telling.event);
        match self.waiting.get_mut(&subject) {
            Some(queue) => {
                if queue.len() >= WAITING_MAX
                    && let Some((_, left_out)) = queue.pop_front()
                {
                    tracing::warn!("script {}: left out, {WAITING_MAX} more wait behind it", name(&left_out));
                }
                queue.push_back((telling, script));
            }
            None => {
                self.waiting.insert(subject, VecDeque::new());
                self.start(subject, telling, script);
            }
        }
    }

    /// Waits until one has ended, and starts the next of its subject. Without any it waits for ever.
    pub(super) async fn next(&mut self) {
        match self.running.join_next().await {
            Some(Ok(subject)) => match self.waiting.get_mut(&subject).and_then(VecDeque::pop_front) {
                Some((telling, script)) => self.start(subject, telling, script),
                None => {
                    self.waiting.remove(&subject);
                }
            },
            Some(Err(error)) => tracing::error!("a script's task ended by a fault of relvs: {error}"),
            None => std::future::pending().await,
        }
    }

    /// Waits for all of them.
    pub(super) async fn finish(&mut self) {
        while !self.running.is_empty() {
            self.next().await;
        }
    }

    fn start(&mut self, subject: Subject, telling: Arc<Telling>, script: Script) {
        let programs = self.programs.clone();
        self.running.spawn(async move {
            run(&programs, &telling.event, &script).await;
            subject
        });
    }
}

fn name(script: &Script) -> &str {
    script.command.first().map_or("", String::as_str)
}

async fn run(programs: &Programs, event: &Event, script: &Script) {
    let limit = Duration::from_millis(script.timeout_ms.into());
    let name = name(script);
    match programs.run(script, &words::environment(event), limit).await {
        Ok(ending) => {
            let said = if ending.said.is_empty() { String::new() } else { format!(": {}", ending.said) };
            match ending.how {
                End::Code(0) => tracing::debug!("script {name} has run{said}"),
                End::Code(code) => tracing::warn!("script {name}: exit code {code}{said}"),
                End::Signal(signal) => tracing::warn!("script {name}: ended by signal {signal}{said}"),
                End::TimedOut => {
                    tracing::warn!("script {name}: not done within {} ms and killed{said}", script.timeout_ms);
                }
            }
        }
        Err(why) => tracing::error!("script {why}: it was not run"),
    }
}
