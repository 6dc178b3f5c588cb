//! A laid-out topology and its nodes; removed when dropped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::layout;
use crate::node::Node;
use crate::plan::{CLIENT, Plan, Role, Shape};
use crate::registry::{self, Owner, Started, State};

/// A topology in namespaces. Dropping it ends every process inside and removes everything, unless it was kept or opened by name.
#[derive(Debug)]
pub struct Lab {
    state: State,
    plan: Plan,
    nodes: BTreeMap<String, Node>,
    removes: bool,
}

impl Lab {
    /// Lays out a topology that this process owns.
    ///
    /// # Errors
    /// Not root, a tool is missing, or the kernel refused something; nothing is left behind then.
    pub fn build(shape: &Shape) -> Result<Self> {
        Self::lay_out(shape.plan()?, Some(Owner::current()?))
    }

    fn lay_out(plan: Plan, owner: Option<Owner>) -> Result<Self> {
        if let Some(reason) = crate::skip_reason() {
            bail!("a lab {reason}");
        }
        let state = registry::claim(owner)?;
        let mut lab = Self::assemble(state, plan, true);
        // From here on an early return drops the lab, which removes what there is of it.
        layout::build(&lab.plan, |name| lab.node(name).cloned())?;
        lab.state.plan = Some(lab.plan.clone());
        registry::store(&lab.state)?;
        Ok(lab)
    }

    /// A lab that exists, by its name; dropping it leaves it alone.
    ///
    /// # Errors
    /// There is none of that name, or it was never laid out wholly.
    pub fn open(name: &str) -> Result<Self> {
        let found = registry::list()?.into_iter().find(|lab| lab.name == name);
        let state = found.and_then(|lab| lab.state);
        let state = state.with_context(|| format!("no lab {name}: see `relvs lab list`"))?;
        let plan = state
            .plan
            .clone()
            .with_context(|| format!("lab {name} is not laid out wholly: remove it with `relvs lab down {name}`"))?;
        Ok(Self::assemble(state, plan, false))
    }

    fn assemble(state: State, plan: Plan, removes: bool) -> Self {
        let logs = registry::directory(&state.name).join("log");
        let planned = plan.nodes.iter().cloned().chain([layout::switch()]);
        let nodes = planned
            .map(|node| {
                let namespace = registry::namespace(&state.name, &node.name);
                (node.name.clone(), Node::new(node, namespace, logs.clone()))
            })
            .collect();
        Self { state, plan, nodes, removes }
    }

    /// Leaves it standing after this process, until `relvs lab down`.
    ///
    /// # Errors
    /// Its state cannot be written; it is removed then.
    pub fn keep(mut self, processes: Vec<Started>) -> Result<()> {
        self.state.owner = None;
        self.state.processes = processes;
        registry::store(&self.state)?;
        self.removes = false;
        Ok(())
    }

    /// Four hexadecimal digits.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// What was laid out.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A directory for files of this lab, removed with it.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        registry::directory(self.name())
    }

    /// The run directory of the director on that node.
    #[must_use]
    pub fn run_dir(&self, node: &str) -> PathBuf {
        self.directory().join(node)
    }

    /// Writes a file into [`Lab::directory`] and gives its path.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_file(&self, name: impl AsRef<Path>, content: &str) -> Result<PathBuf> {
        let path = self.directory().join(name);
        std::fs::write(&path, content).with_context(|| path.display().to_string())?;
        Ok(path)
    }

    /// The node of that short name.
    ///
    /// # Errors
    /// There is none; the message lists them.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes.get(name).with_context(|| {
            let names: Vec<&str> = self.nodes.keys().map(String::as_str).collect();
            format!("no node {name} in this lab: it has {}", names.join(" "))
        })
    }

    /// All nodes, the switch too, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The client.
    ///
    /// # Errors
    /// As [`Lab::node`].
    pub fn client(&self) -> Result<&Node> {
        self.node(CLIENT)
    }

    /// The n-th director, from 1.
    ///
    /// # Errors
    /// As [`Lab::node`].
    pub fn director(&self, n: u8) -> Result<&Node> {
        self.node(&format!("d{n}"))
    }

    /// The n-th server on the LAN, from 1.
    ///
    /// # Errors
    /// As [`Lab::node`].
    pub fn server(&self, n: u8) -> Result<&Node> {
        self.node(&format!("s{n}"))
    }

    /// Servers in the plan's order, the far one last.
    pub fn servers(&self) -> impl Iterator<Item = &Node> {
        let planned = self.plan.nodes.iter().filter(|node| node.role == Role::Server);
        planned.filter_map(|node| self.nodes.get(&node.name))
    }

    /// Removes it now, and says what could not be removed.
    ///
    /// # Errors
    /// The first thing that could not be removed.
    pub fn remove(mut self) -> Result<()> {
        self.removes = false;
        registry::remove(self.name())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Nothing sensible can be done about an error here: `relvs lab down --all` will find what is left.
        if self.removes {
            let _ = registry::remove_after(&self.state.name, Duration::ZERO);
        }
    }
}
