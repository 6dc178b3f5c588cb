//! Scripts that servers and services name: one at a time for each of them, in order; all in all a bounded number at once.

use super::counts::{Counts, Fate, Way};
use crate::health::program::{End, Programs};
use relvs_model::health::Script;
use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinSet;

/// So many scripts of one subject wait; then the oldest is left out, since what it would say is past.
const WAITING_MAX: usize = 64;

/// A script, and what it finds in its environment.
struct Call {
    script: Script,
    environment: Vec<(&'static str, String)>,
}

/// What runs and what waits. A subject is what scripts are about: those about one are run one after the other.
pub(crate) struct Scripts<S> {
    counts: Counts,
    programs: Arc<Programs>,
    running: JoinSet<S>,
    /// Whose script runs, and what comes after it.
    waiting: HashMap<S, VecDeque<Call>>,
}

impl<S> Default for Scripts<S> {
    fn default() -> Self {
        Scripts::counted(Counts::default())
    }
}

impl<S> Scripts<S> {
    /// Counted here.
    pub(crate) fn counted(counts: Counts) -> Self {
        Scripts { counts, programs: Arc::default(), running: JoinSet::new(), waiting: HashMap::new() }
    }
}

impl<S: Clone + Eq + Hash + Send + 'static> Scripts<S> {
    /// Runs the script when those before it, of the same subject, have ended.
    pub(crate) fn tell(&mut self, subject: S, script: Script, environment: Vec<(&'static str, String)>) {
        let call = Call { script, environment };
        match self.waiting.get_mut(&subject) {
            Some(queue) => {
                if queue.len() >= WAITING_MAX
                    && let Some(left_out) = queue.pop_front()
                {
                    tracing::warn!("script {}: left out, {WAITING_MAX} more wait behind it", name(&left_out.script));
                    self.counts.add(Way::Script, Fate::Dropped, 1);
                }
                queue.push_back(call);
            }
            None => {
                self.waiting.insert(subject.clone(), VecDeque::new());
                self.start(subject, call);
            }
        }
    }

    /// Waits until one has ended, and starts the next of its subject. Without any it waits for ever.
    pub(crate) async fn next(&mut self) {
        match self.running.join_next().await {
            Some(Ok(subject)) => match self.waiting.get_mut(&subject).and_then(VecDeque::pop_front) {
                Some(call) => self.start(subject, call),
                None => {
                    self.waiting.remove(&subject);
                }
            },
            Some(Err(error)) => tracing::error!("a script's task ended by a fault of relvs: {error}"),
            None => std::future::pending().await,
        }
    }

    /// Waits for all of them.
    pub(crate) async fn finish(&mut self) {
        while !self.running.is_empty() {
            self.next().await;
        }
    }

    fn start(&mut self, subject: S, call: Call) {
        let (programs, counts) = (self.programs.clone(), self.counts.clone());
        self.running.spawn(async move {
            let fate = run(&programs, &call).await;
            counts.add(Way::Script, fate, 1);
            subject
        });
    }
}

fn name(script: &Script) -> &str {
    script.command.first().map_or("", String::as_str)
}

async fn run(programs: &Programs, Call { script, environment }: &Call) -> Fate {
    let limit = Duration::from_millis(script.timeout_ms.into());
    let name = name(script);
    match programs.run(script, environment, limit).await {
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
            if ending.how == End::Code(0) { Fate::Sent } else { Fate::Failed }
        }
        Err(why) => {
            tracing::error!("script {why}: it was not run");
            Fate::Failed
        }
    }
}
