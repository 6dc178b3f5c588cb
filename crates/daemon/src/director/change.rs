//! What is asked over the control socket: the whole configuration, in place of the one there is, or edits of it.
//!
//! Whatever fails leaves everything as it was; nothing is half done.

use super::{Director, Error};
use crate::configuration::admissible;
use relvs_api::{Code, Configuration, Failure, Outcome};
use relvs_control::{Desired, Edited, Plan, Why, compare};
use relvs_model::{Director as Own, Edit, ServiceKey};
use std::sync::Arc;

/// Under which conditions a change is made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guard {
    /// It is only said what would change.
    pub(crate) dry_run: bool,
    /// Each must be the revision in force.
    pub(crate) revisions: Vec<u64>,
}

impl Director {
    /// All that is in force.
    pub(crate) fn configuration(&self) -> Configuration {
        let Desired { settings, timeouts, rules, services } = self.configured();
        let services = services.into_iter().map(Arc::unwrap_or_clone).collect();
        let (revision, director) = (Some(self.control.revision()), Some(self.own.clone()));
        Configuration { revision, director, settings, timeouts, rules, services }
    }

    /// Makes this the configuration.
    pub(crate) fn replace(&mut self, wanted: Configuration, guard: &Guard) -> Result<Outcome, Failure> {
        self.pass(guard)?;
        let Configuration { director, settings, timeouts, rules, services, .. } = wanted;
        let own = self.source.over(director.unwrap_or_else(|| self.own.clone()));
        if own != self.own {
            admissible(&own, &self.own).map_err(|errors| Failure { errors, ..Failure::new(Code::Refused, "") })?;
        }
        let services = services.into_iter().map(Arc::new).collect();
        self.make(&own, &Desired { settings, timeouts, rules, services }, &[], guard)
    }

    /// Makes these edits.
    pub(crate) fn edit(&mut self, edits: &[Edit], guard: &Guard) -> Result<Outcome, Failure> {
        self.pass(guard)?;
        let edited = self.configured().edited(edits);
        let Edited { desired, zero } = edited.map_err(|refused| {
            let code = code(&refused.why);
            // Of one alone, which it is needs no saying.
            let failure =
                if edits.len() == 1 { Failure::new(code, &refused.why) } else { Failure::new(code, &refused) };
            Failure { change: Some(refused.at), ..failure }
        })?;
        let own = self.own.clone();
        let outcome = self.make(&own, &desired, &zero, guard)?;
        if !guard.dry_run {
            self.end_drains(edits).map_err(|error| Failure::new(kind(&error), error))?;
        }
        Ok(outcome)
    }

    /// Brings everything to this. On errors it is as it was.
    pub(super) fn bring(
        &mut self,
        own: &Own,
        desired: &Desired,
        zero: &[Option<ServiceKey>],
    ) -> Result<Plan, (Code, Vec<String>)> {
        match self.serve(own).and_then(|()| self.bring_about(own, desired, zero)) {
            Ok(plan) => Ok(plan),
            Err(error) => {
                let before = self.own.clone();
                let mut errors = vec![error.to_string()];
                errors.extend(self.serve(&before).err().map(|e| e.to_string()));
                Err((kind(&error), errors))
            }
        }
    }

    /// Brings what is to be scheduled of this configuration into force, once the director's own settings are. Gives what
    /// changes of what was configured.
    pub(super) fn bring_about(
        &mut self,
        own: &Own,
        desired: &Desired,
        zero: &[Option<ServiceKey>],
    ) -> Result<Plan, Error> {
        let plan = self.plan(own, compare(&self.configured(), desired));
        let monitor = self.monitor_of(desired);
        let (laid, overlaid) = self.laid(&monitor, desired);
        self.apply(&laid, own, zero, &overlaid, !plan.is_empty())?;
        self.go_on_with(monitor, overlaid);
        Ok(plan)
    }

    /// Whether something else is in force than the file said when it was read.
    pub(super) fn is_changed(&self) -> bool {
        let Some((own, desired)) = &self.loaded else { return false };
        *own != self.own || !compare(&self.configured(), desired).is_empty()
    }

    fn pass(&self, guard: &Guard) -> Result<(), Failure> {
        let revision = self.control.revision();
        match guard.revisions.iter().find(|expected| **expected != revision) {
            None => Ok(()),
            Some(expected) => {
                let error = format!(
                    "the configuration is at revision {revision}, not {expected}: somebody else has changed it; read it \
                     again"
                );
                Err(Failure { revision: Some(revision), ..Failure::new(Code::Revision, error) })
            }
        }
    }

    fn make(
        &mut self,
        own: &Own,
        desired: &Desired,
        zero: &[Option<ServiceKey>],
        guard: &Guard,
    ) -> Result<Outcome, Failure> {
        let failed = |error: &Error| Failure::new(kind(error), error);
        let configured = self.configured();
        let unchanged = self.own == *own && configured == *desired;
        let plan = if unchanged {
            Plan::default()
        } else if guard.dry_run {
            let (laid, _) = self.laid(&self.monitor_of(desired), desired);
            self.prepared(&laid).map_err(|e| failed(&e))?;
            self.plan(own, compare(&configured, desired))
        } else {
            let brought = self.bring(own, desired, zero);
            brought.map_err(|(code, errors)| Failure { errors, ..Failure::new(code, "") })?
        };
        if unchanged && !guard.dry_run && !zero.is_empty() {
            self.zero(zero).map_err(|e| failed(&e))?;
        }
        let revision = self.control.revision();
        Ok(Outcome { revision, dry_run: guard.dry_run, text: plan.to_string(), plan })
    }
}

fn code(why: &Why) -> Code {
    match why {
        Why::ServiceExists(_) => Code::ServiceExists,
        Why::NoService(_) => Code::NoService,
        Why::ServerExists { .. } => Code::ServerExists,
        Why::NoServer { .. } => Code::NoServer,
        Why::Setting { .. } | Why::Wrong(_) => Code::Refused,
    }
}

fn kind(error: &Error) -> Code {
    match error {
        Error::Refused(_) | Error::Interface { .. } | Error::Vrrp(_) => Code::Refused,
        Error::Dataplane(_) | Error::Untold | Error::Net(_) | Error::File { .. } => Code::Failed,
    }
}
