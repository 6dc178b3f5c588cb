//! From statements to what is meant by them.

use super::{
    Document, Files, Host, Limits, Place, Statement,
    global::{Globals, global},
    keywords::Context,
    lvs::{Around, Found, group, service},
    reading::{Reading, Remark, Verdict, keep},
    vrrp::{self, Places, Sources},
};
use crate::{
    Diagnostic,
    report::{Fault, quoted},
};
use relvs_model::{
    Service, State,
    health::{self, Check, Probe, Script, ServerHealth, Tls},
    vrrp::{Instance, Notify, Settings, TrackSource},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a file means.
#[derive(Clone, Debug, Default)]
pub struct Keepalived {
    /// The files and their statements.
    pub document: Document,
    /// Services with their servers and checks, timeouts, virtual routers, and who is told. The director's own settings are not in
    /// such a file.
    pub state: State,
    /// What else counts for all.
    pub globals: Globals,
    /// Everything that is wrong, in the order of the files and their lines.
    pub diagnostics: Vec<Diagnostic>,
    /// What works otherwise or does nothing here.
    pub remarks: Vec<Remark>,
    /// What works.
    pub supported: Vec<Remark>,
    /// How bad it is.
    pub verdict: Verdict,
    /// Where it all stands.
    pub places: Written,
}

/// Where the parts of a state are written, each in the order in which they are in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// `global_defs`, each.
    pub global: Vec<Place>,
    /// Services, each with its servers. Those of a group stand where the service of the group does.
    pub services: Vec<(Place, Vec<Place>)>,
    /// Virtual routers, groups of them, and what they track, by name.
    pub named: BTreeMap<String, Place>,
}

impl Keepalived {
    /// Reads a file and what it includes.
    pub fn read(files: &dyn Files, name: &str, host: &Host) -> Keepalived {
        Keepalived::read_within(files, name, host, &Limits::default())
    }

    /// The same within other limits.
    pub fn read_within(files: &dyn Files, name: &str, host: &Host, limits: &Limits) -> Keepalived {
        Keepalived::of(Document::read_within(files, name, host, limits), files, host, limits)
    }

    fn of(document: Document, files: &dyn Files, host: &Host, limits: &Limits) -> Keepalived {
        let mut reading = Reading::new(&document, limits);
        let mut all = Blocks::default();
        for statement in &document.statements {
            if let Some(keyword) = reading.keyword(Context::Top, statement) {
                all.put(keyword, statement);
            }
        }
        let (globals, defaults, told) = global(&all.global, &mut reading);
        let mut sources = Sources::default();
        let mut settings =
            Settings { startup_delay_ms: defaults.startup_delay_ms, fifo: told.vrrp_fifo, ..Settings::default() };
        for statement in &all.scripts {
            settings.scripts.extend(vrrp::script(statement, &mut sources, &mut reading));
        }
        for statement in &all.files {
            settings.files.extend(vrrp::file(statement, &mut sources, &mut reading));
        }
        for statement in &all.processes {
            settings.processes.extend(vrrp::process(statement, &mut sources, &mut reading));
        }
        executable(files, &mut settings, &mut sources, &mut reading);
        let mut places = Places::new();
        for statement in &all.instances {
            let found = vrrp::instance(statement, &sources, &globals, &defaults, &mut reading);
            if let Some(instance) = found {
                there(&instance, statement, host, &mut reading);
                if first(&instance.name, statement, &mut places, &mut reading) {
                    settings.instances.push(instance);
                }
            }
        }
        settings.name_virtual_interfaces();
        let names: BTreeSet<String> = settings.instances.iter().map(|instance| instance.name.clone()).collect();
        for statement in &all.groups {
            if let Some(group) = vrrp::group(statement, &sources, &globals, &names, &mut reading)
                && first(&group.name, statement, &mut places, &mut reading)
            {
                settings.groups.push(group);
            }
        }
        problems(&mut settings, &places, &mut reading);
        if all.instances.is_empty() {
            // Without virtual routers keepalived does not look at what they would run.
            reading.programs.clear();
        }
        let mut around = Around {
            groups: all.members.iter().filter_map(|statement| group(statement, &mut reading)).collect(),
            files: settings.files.iter().filter_map(|file| weighed(&file.name, &file.path, &sources)).collect(),
            tls: Tls::default(),
            log_all_failures: defaults.log_all_failures,
        };
        for statement in &all.tls {
            tls(statement, &mut around.tls, &mut reading);
        }
        let mut services: Vec<Service> = Vec::new();
        let mut written = Vec::new();
        let mut keys = BTreeSet::new();
        for statement in &all.services {
            for Found { service, place, servers } in service(statement, &around, &mut reading) {
                if keys.insert(service.key) {
                    services.push(service);
                    written.push((place, servers));
                } else {
                    let fault = Fault::new(format!("the service {} is there twice", service.key));
                    reading.warning(statement.keyword.place, fault.help("remove one of them; the first counts"));
                }
            }
        }
        let diagnostics = reading.told();
        let Reading { remarks, supported, mut verdict, programs, alerts, .. } = reading;
        // Who wants no mail about servers gets none, unless virtual routers are to be written about.
        let instances = settings.instances.iter().map(|instance| &instance.notify);
        let mut routers = instances.chain(settings.groups.iter().map(|group| &group.notify));
        let alert = alerts || globals.alert_checker != Some(false) || routers.any(|notify| notify.smtp_alert);
        let mail = told.mail.filter(|_| alert);
        let notify = health::Notify { fifo: told.checker_fifo, mail, ..health::Notify::default() };
        let mut state = State { notify, vrrp: settings, timeouts: defaults.timeouts, services, ..State::default() };
        users(&mut state, &globals, files);
        if programs.iter().any(|program| files.executable(program)) && !all.secure() {
            verdict = verdict.max(Verdict::Insecure);
        }
        let sources = all.scripts.iter().chain(&all.files).chain(&all.processes);
        let named =
            sources.filter_map(|statement| Some((statement.arguments.first()?.text.clone(), statement.keyword.place)));
        places.extend(named.collect::<Vec<_>>());
        let global = all.global.iter().map(|statement| statement.keyword.place).collect();
        let places = Written { global, services: written, named: places };
        Keepalived { state, globals, diagnostics, remarks, supported, verdict, places, document }
    }
}

/// Blocks by what they are.
#[derive(Default)]
struct Blocks<'d> {
    global: Vec<&'d Statement>,
    scripts: Vec<&'d Statement>,
    files: Vec<&'d Statement>,
    processes: Vec<&'d Statement>,
    instances: Vec<&'d Statement>,
    groups: Vec<&'d Statement>,
    members: Vec<&'d Statement>,
    services: Vec<&'d Statement>,
    tls: Vec<&'d Statement>,
}

impl<'d> Blocks<'d> {
    fn put(&mut self, keyword: &str, statement: &'d Statement) {
        let of_a_kind = match keyword {
            "global_defs" => &mut self.global,
            "vrrp_script" => &mut self.scripts,
            "track_file" => &mut self.files,
            "vrrp_track_process" => &mut self.processes,
            "vrrp_instance" => &mut self.instances,
            "vrrp_sync_group" => &mut self.groups,
            "virtual_server_group" => &mut self.members,
            "virtual_server" => &mut self.services,
            _ => &mut self.tls,
        };
        of_a_kind.push(statement);
    }

    fn secure(&self) -> bool {
        let lines = self.global.iter().filter_map(|block| block.block.as_ref()).flatten();
        lines.into_iter().any(|line| line.keyword.text == "enable_script_security")
    }
}

/// An instance waits for interfaces that are not there.
fn there(instance: &Instance, statement: &Statement, host: &Host, reading: &mut Reading<'_>) {
    let Some(interfaces) = &host.interfaces else { return };
    let tracked = instance
        .track
        .iter()
        .filter_map(|tracked| if let TrackSource::Interface(name) = &tracked.source { Some(name) } else { None });
    let addresses = instance.addresses.iter().chain(&instance.excluded).filter_map(|found| found.interface.as_ref());
    let routes = instance.routes.iter().filter_map(|route| route.interface.as_ref());
    let named: BTreeSet<&String> =
        std::iter::once(&instance.interface).chain(tracked).chain(addresses).chain(routes).collect();
    for missing in named.into_iter().filter(|name| !interfaces.contains(*name)) {
        let fault = Fault::new(format!("{}: there is no interface {missing}", instance.name));
        reading.fault(
            statement.keyword.place,
            fault.help("`ip link` lists those there are; until it comes it is a fault"),
        );
    }
}

/// Scripts that cannot be run are not tracked, as by keepalived.
fn executable(files: &dyn Files, settings: &mut Settings, sources: &mut Sources, reading: &mut Reading<'_>) {
    settings.scripts.retain(|script| {
        let program = script.script.command.first().map_or("", String::as_str);
        let found = files.executable(program);
        if !found {
            let place = sources.defined.get(&script.name).copied();
            let fault = Fault::new(format!("{program} of vrrp_script {} cannot be run", script.name));
            let help = "install it and make it executable; the script is not tracked";
            reading.fault(place.unwrap_or(Place { file: 0, line: 1, column: 1, length: 1 }), fault.help(help));
            sources.scripts.remove(&script.name);
        }
        found
    });
}

/// Whether a name is new. One that is not makes its block nothing, as in keepalived.
fn first(name: &str, statement: &Statement, places: &mut Places, reading: &mut Reading<'_>) -> bool {
    let place = statement.keyword.place;
    if places.contains_key(name) {
        let fault = Fault::new(format!("{} is the name of another instance or group", quoted(name)));
        reading.fault(place, fault.help("give each its own; this one is left out"));
        return false;
    }
    places.insert(name.to_owned(), place);
    true
}

/// What the settings are not as a whole. What cannot be is left out, so that the rest can be run.
fn problems(settings: &mut Settings, places: &Places, reading: &mut Reading<'_>) {
    loop {
        let found = settings.problems();
        let fatal: BTreeSet<&str> =
            found.iter().filter(|problem| problem.fatal).map(|problem| problem.name.as_str()).collect();
        for problem in &found {
            let Some(place) = places.get(&problem.name) else { continue };
            // Those are told by the readers, at their own places.
            if matches!(problem.field, "auth_pass" | "addresses" if !problem.fatal) {
                continue;
            }
            let (what, help) = problem.text.split_once(": ").unwrap_or((&problem.text, "correct it"));
            let help = if problem.fatal { format!("{help}; it is left out") } else { help.to_owned() };
            reading.fault(*place, Fault::new(format!("{}: {}: {what}", problem.name, problem.field)).help(help));
        }
        if fatal.is_empty() {
            return;
        }
        settings.instances.retain(|instance| !fatal.contains(instance.name.as_str()));
        settings.groups.retain_mut(|group| {
            group.members.retain(|member| !fatal.contains(member.as_str()));
            !group.members.is_empty() && !fatal.contains(group.name.as_str())
        });
    }
}

fn weighed(name: &str, path: &str, sources: &Sources) -> Option<(String, (String, i32))> {
    let (weight, reverse) = *sources.files.get(name)?;
    let weight = i32::from(weight) * if reverse { -1 } else { 1 };
    Some((name.to_owned(), (path.to_owned(), weight)))
}

fn tls(statement: &Statement, tls: &mut Tls, reading: &mut Reading<'_>) {
    for line in reading.block(statement) {
        let value = match reading.keyword(Context::Ssl, line) {
            Some("ca") => &mut tls.ca,
            Some("certificate") => &mut tls.certificate,
            Some("key") => &mut tls.key,
            _ => continue,
        };
        keep(value, reading.word(line, 0, "a path").map(str::to_owned));
    }
}

fn has_scripts(health: &ServerHealth) -> bool {
    let runs = |check: &Check| matches!(check.probe, Probe::Misc(_));
    health.notify_up.is_some() || health.notify_down.is_some() || health.checks.iter().any(runs)
}

/// Gives scripts that name no user that of `script_user`, and programs without a folder theirs.
fn users(state: &mut State, globals: &Globals, files: &dyn Files) {
    let mut run = |script: &mut Script| {
        if let Some(program) = script.command.first_mut().filter(|program| !program.contains('/'))
            && let Some(found) = files.program(program)
        {
            *program = found;
        }
        if script.user.is_none()
            && let Some((user, group)) = &globals.script_user
        {
            (script.user, script.group) = (Some(user.clone()), group.clone());
        }
    };
    for service in &mut state.services {
        if let Some(health) = &mut service.health {
            let health = Arc::make_mut(health);
            health.quorum_up.iter_mut().chain(&mut health.quorum_down).for_each(&mut run);
        }
        let servers = service.servers.iter_mut().filter_map(|server| server.health.as_mut());
        // Those without are left shared.
        for health in servers.filter(|health| has_scripts(health)) {
            let health = Arc::make_mut(health);
            health.notify_up.iter_mut().chain(&mut health.notify_down).for_each(&mut run);
            for check in &mut health.checks {
                if let Probe::Misc(misc) = &mut check.probe {
                    run(&mut misc.script);
                }
            }
        }
    }
    let Settings { scripts, instances, groups, .. } = &mut state.vrrp;
    scripts.iter_mut().for_each(|script| run(&mut script.script));
    let notify = instances.iter_mut().map(|instance| &mut instance.notify);
    for notify in notify.chain(groups.iter_mut().map(|group| &mut group.notify)) {
        let Notify { master, backup, fault, stop, deleted, any, master_rx_lower_pri, .. } = notify;
        let all = [master, backup, fault, stop, deleted, any, master_rx_lower_pri];
        all.into_iter().flatten().for_each(&mut run);
    }
}
