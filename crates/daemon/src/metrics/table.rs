//! All metrics in one table: name, type, labels, meaning, and where the value comes from. `docs/metrics.md` has the same
//! rows, and the dashboards use no other names; tests compare.

use super::{
    reasons::{Fate, fate},
    snapshot::{ServerRow, ServiceRow, Snapshot},
    vrrp,
};
use relvs_core::Reason;
use relvs_model::{Protocol, ServiceKey};
use relvs_proto::health::{ServerFigures, ServiceFigures};

/// A metric of Prometheus, with all its series.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) labels: &'static [&'static str],
    pub(super) help: &'static str,
    pub(super) each: Each,
}

/// What its values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They only grow, until the daemon ends or an administrator sets them to zero.
    Counter,
    /// They go up and down.
    Gauge,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        }
    }
}

/// What takes a series: the values of its labels, and its own.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&[&str], f64);

/// Where the values come from.
#[derive(Clone, Copy)]
pub(super) enum Each {
    /// The director: all series at once, which are few.
    Whole(fn(&Snapshot, Sink<'_>)),
    /// One of each service.
    Service(fn(&ServiceRow) -> f64),
    /// One of each server.
    Server(fn(&ServerRow) -> f64),
    /// One of each service that has anything to be checked.
    CheckedService(fn(&ServiceFigures) -> f64),
    /// One of each server of such a service.
    CheckedServer(fn(&ServerFigures) -> f64),
    /// The same with node_exporter's labels.
    Backend(fn(&ServerRow) -> f64),
}

const SERVICE: &[&str] = &["service"];
const SERVER: &[&str] = &["service", "server"];
/// As node_exporter's ipvs collector has them.
const BACKEND: &[&str] = &["local_address", "local_mark", "local_port", "proto", "remote_address", "remote_port"];
const REASON: &[&str] = &["reason"];
const ROUTER: &[&str] = &["router"];
const TABLE: &[&str] = &["family", "table"];

macro_rules! families {
    ($($name:literal $kind:ident $labels:expr, $help:literal, $each:ident($value:expr);)*) => {
        /// All of them, in the order of the text.
        pub(super) const FAMILIES: &[Family] = &[$(Family {
            name: $name, kind: Kind::$kind, labels: $labels, help: $help, each: Each::$each($value),
        }),*];
    };
}

families! {
    "node_ipvs_connections_total" Counter &[], "The total number of connections made.",
        Whole(|s, to| to(&[], s.total.flows as f64));
    "node_ipvs_incoming_packets_total" Counter &[], "The total number of incoming packets.",
        Whole(|s, to| to(&[], s.total.packets_in as f64));
    "node_ipvs_outgoing_packets_total" Counter &[], "The total number of outgoing packets.",
        Whole(|s, to| to(&[], s.total.packets_out as f64));
    "node_ipvs_incoming_bytes_total" Counter &[], "The total amount of incoming data.",
        Whole(|s, to| to(&[], s.total.bytes_in as f64));
    "node_ipvs_outgoing_bytes_total" Counter &[], "The total amount of outgoing data.",
        Whole(|s, to| to(&[], s.total.bytes_out as f64));
    "node_ipvs_backend_connections_active" Gauge BACKEND, "The current active connections by local and remote address.",
        Backend(|r| r.active.into());
    "node_ipvs_backend_connections_inactive" Gauge BACKEND,
        "The current inactive connections by local and remote address.", Backend(|r| r.inactive.into());
    "node_ipvs_backend_weight" Gauge BACKEND, "The current backend weight by local and remote address.",
        Backend(|r| r.weight.into());

    "relvs_build_info" Gauge &["version"], "The program's version; the value is always 1.",
        Whole(|_, to| to(&[env!("CARGO_PKG_VERSION")], 1.0));
    "relvs_tables_adopted" Gauge &[], "Whether this daemon took over the tables of an earlier one (1), or made new ones (0).",
        Whole(|s, to| to(&[], f64::from(s.adopted)));
    "relvs_configuration_revision" Gauge &[], "How often the configuration was changed.",
        Whole(|s, to| to(&[], s.revision as f64));
    "relvs_configuration_changed" Gauge &[],
        "Whether something else is in force than the file said when it was read (1).",
        Whole(|s, to| to(&[], f64::from(s.changed)));
    "relvs_configuration_reloads_total" Counter &["result"], "How often the file was read again, and taken or refused.",
        Whole(|s, to| { to(&["taken"], s.reloads[0] as f64); to(&["refused"], s.reloads[1] as f64); });
    "relvs_table_switches_total" Counter &[], "How often packets were switched from one half of the tables to the other.",
        Whole(|s, to| to(&[], s.switches as f64));
    "relvs_interface_attached" Gauge &["interface"],
        "Whether an interface that is to be served is (1), or is missing or refused (0).", Whole(attached);
    "relvs_interface_info" Gauge &["interface", "mode"],
        "Where the program runs: native or generic; the value is always 1.", Whole(modes);
    "relvs_api_requests_total" Counter &["code"], "Requests of the control API, by the status of their answers.",
        Whole(|s, to| s.requests.iter().for_each(|(code, count)| to(&[code], *count as f64)));

    "relvs_dropped_packets_total" Counter REASON, "Packets that were dropped, by reason.",
        Whole(|s, to| of_fate(s, Fate::Dropped, to));
    "relvs_passed_packets_total" Counter REASON, "Packets that were left to the network stack, by reason.",
        Whole(|s, to| of_fate(s, Fate::Passed, to));
    "relvs_answered_packets_total" Counter REASON, "Packets whose sender got an ICMP error, by reason.",
        Whole(|s, to| of_fate(s, Fate::Answered, to));

    "relvs_flow_records" Gauge TABLE,
        "Records of the flow tables that are in use; a NAT flow has two. Young: not yet seen to be established.",
        Whole(|s, to| of_tables(s, to, |fill| fill.used));
    "relvs_flow_records_capacity" Gauge TABLE, "Records that the flow tables have.",
        Whole(|s, to| of_tables(s, to, |fill| fill.capacity));
    "relvs_flows_displaced_total" Counter &[], "Half-open flows that gave their place to newer ones.",
        Whole(|s, to| to(&[], s.reason(Reason::Displaced) as f64));
    "relvs_flows_expired_total" Counter &[], "Flows and templates that were forgotten because their time was over.",
        Whole(|s, to| to(&[], s.expired as f64));
    "relvs_flow_templates" Gauge &[], "Clients that persistence keeps at their servers.",
        Whole(|s, to| to(&[], s.templates as f64));
    "relvs_expiry_passes_total" Counter &[], "How often all flows were gone through.",
        Whole(|s, to| to(&[], s.passes as f64));
    "relvs_expiry_seconds_total" Counter &[], "The time that it took to go through all flows, summed up.",
        Whole(|s, to| to(&[], s.in_passes.as_secs_f64()));
    "relvs_expiry_last_pass_seconds" Gauge &[], "The time that it took the last time.",
        Whole(|s, to| to(&[], s.last_pass.as_secs_f64()));

    "relvs_next_hops" Gauge &["state"],
        "Servers' addresses by the way to them: ready, pending (the neighbour does not answer), unreachable, local.",
        Whole(next_hops);
    "relvs_services" Gauge &[], "Virtual services that are configured.", Whole(|s, to| to(&[], s.services.len() as f64));
    "relvs_servers" Gauge &[], "Servers that are configured, once for each service.",
        Whole(|s, to| to(&[], s.configured as f64));
    "relvs_service_info" Gauge &["service", "scheduler"], "A virtual service; the value is always 1.",
        Whole(schedulers);

    "relvs_service_connections_total" Counter SERVICE, "Connections of a service.", Service(|r| r.counters.flows as f64);
    "relvs_service_incoming_packets_total" Counter SERVICE, "Packets to the servers of a service.",
        Service(|r| r.counters.packets_in as f64);
    "relvs_service_incoming_bytes_total" Counter SERVICE, "Their bytes, of IP packets.",
        Service(|r| r.counters.bytes_in as f64);
    "relvs_service_outgoing_packets_total" Counter SERVICE, "Packets back to its clients; NAT alone sees them.",
        Service(|r| r.counters.packets_out as f64);
    "relvs_service_outgoing_bytes_total" Counter SERVICE, "Their bytes, of IP packets.",
        Service(|r| r.counters.bytes_out as f64);

    "relvs_server_connections_total" Counter SERVER, "Connections of a server.", Server(|r| r.counters.flows as f64);
    "relvs_server_incoming_packets_total" Counter SERVER, "Packets to it.", Server(|r| r.counters.packets_in as f64);
    "relvs_server_incoming_bytes_total" Counter SERVER, "Their bytes, of IP packets.",
        Server(|r| r.counters.bytes_in as f64);
    "relvs_server_outgoing_packets_total" Counter SERVER, "Packets back to its clients; NAT alone sees them.",
        Server(|r| r.counters.packets_out as f64);
    "relvs_server_outgoing_bytes_total" Counter SERVER, "Their bytes, of IP packets.",
        Server(|r| r.counters.bytes_out as f64);
    "relvs_server_connections_active" Gauge SERVER, "Its flows in states that count as active.", Server(|r| r.active.into());
    "relvs_server_connections_inactive" Gauge SERVER, "Its other flows.", Server(|r| r.inactive.into());
    "relvs_server_templates" Gauge SERVER, "Clients that persistence keeps there.", Server(|r| r.templates.into());
    "relvs_server_weight" Gauge SERVER, "Its weight; with 0 it gets no new connections.", Server(|r| r.weight.into());
    "relvs_server_upper_threshold" Gauge SERVER, "So many connections are its most; 0 is no limit.",
        Server(|r| r.upper_threshold.into());
    "relvs_server_overloaded" Gauge SERVER, "Whether it gets no new connections because of its threshold (1).",
        Server(|r| r.overloaded.into());
    "relvs_server_reachable" Gauge SERVER, "Whether the way to it is known and its neighbour answers (1).",
        Server(|r| r.reachable.into());

    "relvs_service_up" Gauge SERVICE, "Whether a service with health checks has its quorum (1).",
        CheckedService(|r| r.up.into());
    "relvs_service_up_changed_seconds" Gauge SERVICE, "Since when it has its quorum or not, in seconds since 1970.",
        CheckedService(|r| r.since.as_secs_f64());
    "relvs_service_servers" Gauge SERVICE, "Its servers.", CheckedService(|r| r.servers.into());
    "relvs_service_servers_up" Gauge SERVICE, "Its servers that are up.", CheckedService(|r| r.servers_up.into());
    "relvs_service_weight_up" Gauge SERVICE, "The sum of weights of its servers that are up.",
        CheckedService(|r| r.weight as f64);
    "relvs_service_weight_needed" Gauge SERVICE, "The sum that keeps it up, or that it needs to come up again.",
        CheckedService(|r| r.needed as f64);
    "relvs_service_sorry" Gauge SERVICE, "Whether its sorry server takes the connections (1).",
        CheckedService(|r| r.sorry.into());
    "relvs_service_checks_suspended" Gauge SERVICE,
        "Whether its servers are not checked, because its VIP is not on this machine (1).",
        CheckedService(|r| r.suspended.into());
    "relvs_server_up" Gauge SERVER, "Whether a server of a service with health checks is up (1).",
        CheckedServer(|r| r.up.into());
    "relvs_server_up_changed_seconds" Gauge SERVER, "Since when it is up or not, in seconds since 1970.",
        CheckedServer(|r| r.since.as_secs_f64());
    "relvs_server_drained" Gauge SERVER, "Whether an administrator has drained it (1).",
        CheckedServer(|r| r.drained.into());
    "relvs_server_probes_total" Counter SERVER, "Probes of it that have ended; one that services share counts for each.",
        CheckedServer(|r| r.probes as f64);
    "relvs_server_probes_failed_total" Counter SERVER, "Those that failed.", CheckedServer(|r| r.failed as f64);
    "relvs_server_probe_seconds" Gauge SERVER,
        "How long its last probe took; with several checks the longest. Before the first it is not there.",
        CheckedServer(|r| r.took.map_or(f64::NAN, |took| took.as_secs_f64()));
    "relvs_checked_servers" Gauge &["state"], "Servers of services with health checks, up and down.", Whole(by_state);
    "relvs_probes_running" Gauge &[], "Probes that run.", Whole(|s, to| to(&[], s.checked.probes.running as f64));
    "relvs_probes_waiting" Gauge &[], "Probes that wait for a place among those that run.",
        Whole(|s, to| to(&[], s.checked.probes.waiting as f64));
    "relvs_probes_total" Counter &[], "Probes that have begun.", Whole(|s, to| to(&[], s.checked.probes.begun as f64));
    "relvs_probes_late_total" Counter &[], "Those that began more than 200 ms later than planned.",
        Whole(|s, to| to(&[], s.checked.probes.late as f64));
    "relvs_probes_late_seconds_total" Counter &[], "By how much all probes began later than planned, summed up.",
        Whole(|s, to| to(&[], s.checked.probes.lateness.as_secs_f64()));
    "relvs_notifications_total" Counter &["to", "result"],
        "Events that were told, of servers and of virtual routers, by way (script, fifo, mail, webhook): sent, failed after all attempts, dropped because too many waited.",
        Whole(notifications);

    "relvs_vrrp_info" Gauge &["router", "interface", "vrid"], "A virtual router; the value is always 1.",
        Whole(vrrp::info);
    "relvs_vrrp_state" Gauge ROUTER,
        "The state of a virtual router, as keepalived numbers them: 0 initialize, 1 backup, 2 master, 3 fault.",
        Whole(|s, to| vrrp::value(s, to, |r| r.state.number().into()));
    "relvs_vrrp_priority" Gauge ROUTER, "Its priority, as what it tracks makes it.",
        Whole(|s, to| vrrp::value(s, to, |r| r.effective_priority.into()));
    "relvs_vrrp_priority_configured" Gauge ROUTER, "Its priority as it is configured.",
        Whole(|s, to| vrrp::value(s, to, |r| r.base_priority.into()));
    "relvs_vrrp_maintenance" Gauge ROUTER, "Whether it is in maintenance, or was handed over and not released yet (1).",
        Whole(|s, to| vrrp::value(s, to, |r| f64::from(r.maintenance || r.held)));
    "relvs_vrrp_peers" Gauge ROUTER, "Other routers that were heard since the daemon started.",
        Whole(|s, to| vrrp::value(s, to, |r| r.peers.len() as f64));
    "relvs_vrrp_became_master_total" Counter ROUTER, "How often it became master.",
        Whole(|s, to| vrrp::count(s, to, |r| r.become_master));
    "relvs_vrrp_released_master_total" Counter ROUTER, "How often it was master no more.",
        Whole(|s, to| vrrp::count(s, to, |r| r.release_master));
    "relvs_vrrp_adverts_sent_total" Counter ROUTER, "Adverts sent.", Whole(|s, to| vrrp::count(s, to, |r| r.advert_sent));
    "relvs_vrrp_adverts_received_total" Counter ROUTER, "Adverts that passed all checks.",
        Whole(|s, to| vrrp::count(s, to, |r| r.advert_rcvd));
    "relvs_vrrp_adverts_dropped_total" Counter &["router", "reason"], "Adverts that were dropped, by reason.",
        Whole(vrrp::dropped);
    "relvs_vrrp_resignations_sent_total" Counter ROUTER, "Adverts by which it said that it leaves (priority 0).",
        Whole(|s, to| vrrp::count(s, to, |r| r.pri_zero_sent));
    "relvs_vrrp_resignations_received_total" Counter ROUTER, "Adverts by which another said that it leaves.",
        Whole(|s, to| vrrp::count(s, to, |r| r.pri_zero_rcvd));
    "relvs_vrrp_announcements_total" Counter ROUTER, "Gratuitous ARPs and neighbour advertisements sent.",
        Whole(|s, to| vrrp::count(s, to, |r| r.announced));
    "relvs_vrrp_split_brain_signs_total" Counter &["router", "sign"],
        "Adverts of another master heard as master, packets in which another claims an address of the master, adverts with other addresses.",
        Whole(vrrp::split_brain);
    "relvs_vrrp_wrong" Gauge &["router", "what"], "Whether something is wrong with it now (1).", Whole(vrrp::wrong);
    "relvs_vrrp_arbiter_withheld_total" Counter ROUTER, "How often it did not become master because its arbiter was not well.",
        Whole(|s, to| vrrp::count(s, to, |r| r.arbiter_withheld));
    "relvs_vrrp_timer_late_total" Counter ROUTER, "How often a timer was handled later than an interval of adverts.",
        Whole(|s, to| vrrp::count(s, to, |r| r.timer_late));
    "relvs_vrrp_timer_late_longest_seconds" Gauge ROUTER, "The longest that a timer was late since the daemon started.",
        Whole(|s, to| vrrp::value(s, to, |r| r.statistics.timer_late_max_us as f64 / 1e6));
    "relvs_vrrp_unknown_adverts_total" Counter &[], "Adverts of virtual routers that are not configured here.",
        Whole(vrrp::unknown);
    "relvs_vrrp_restarts_total" Counter &[], "How often all virtual routers began anew, because they had ended by a fault of relvs.",
        Whole(vrrp::restarts);

    "process_start_time_seconds" Gauge &[], "When the daemon started, in seconds since 1970.",
        Whole(|s, to| to(&[], s.started_s));
    "process_cpu_seconds_total" Counter &[], "CPU time of the daemon, user and system together.",
        Whole(|s, to| s.process.cpu_s.into_iter().for_each(|value| to(&[], value)));
    "process_resident_memory_bytes" Gauge &[], "Memory of the daemon that is resident, tables that it has mapped included.",
        Whole(|s, to| s.process.resident.into_iter().for_each(|value| to(&[], value)));
    "process_virtual_memory_bytes" Gauge &[], "Address space of the daemon.",
        Whole(|s, to| s.process.virtual_memory.into_iter().for_each(|value| to(&[], value)));
    "process_open_fds" Gauge &[], "File descriptors that the daemon has open.",
        Whole(|s, to| s.process.fds.into_iter().for_each(|value| to(&[], value)));
    "process_max_fds" Gauge &[], "File descriptors that it may have open.",
        Whole(|s, to| s.process.most_fds.into_iter().for_each(|value| to(&[], value)));
}

fn attached(snapshot: &Snapshot, to: Sink<'_>) {
    for (name, mode) in &snapshot.interfaces {
        to(&[name], f64::from(mode.is_some()));
    }
}

fn modes(snapshot: &Snapshot, to: Sink<'_>) {
    for (name, mode) in &snapshot.interfaces {
        if let Some(mode) = mode {
            to(&[name, mode], 1.0);
        }
    }
}

fn schedulers(snapshot: &Snapshot, to: Sink<'_>) {
    for service in &snapshot.services {
        to(&[&service.key.to_string(), service.scheduler.name()], 1.0);
    }
}

fn by_state(snapshot: &Snapshot, to: Sink<'_>) {
    let all = snapshot.checked.servers.len();
    let up = snapshot.checked.servers.iter().filter(|server| server.up).count();
    to(&["up"], up as f64);
    to(&["down"], (all - up) as f64);
}

fn notifications(snapshot: &Snapshot, to: Sink<'_>) {
    for (way, counts) in &snapshot.checked.told.0 {
        for (result, count) in ["sent", "failed", "dropped"].into_iter().zip(counts) {
            to(&[way, result], *count as f64);
        }
    }
}

fn next_hops(snapshot: &Snapshot, to: Sink<'_>) {
    let ways = snapshot.ways;
    let states =
        [("ready", ways.ready), ("pending", ways.pending), ("unreachable", ways.unreachable), ("local", ways.local)];
    for (state, count) in states {
        to(&[state], count as f64);
    }
}

fn of_fate(snapshot: &Snapshot, wanted: Fate, to: Sink<'_>) {
    for reason in Reason::ALL.iter().copied().filter(|reason| fate(*reason) == wanted) {
        to(&[reason.name()], snapshot.reason(reason) as f64);
    }
}

fn of_tables(snapshot: &Snapshot, to: Sink<'_>, value: impl Fn(&super::snapshot::Fill) -> u64) {
    for (family, tables) in ["ipv4", "ipv6"].into_iter().zip(&snapshot.tables) {
        for (table, fill) in ["settled", "young"].into_iter().zip(tables) {
            to(&[family, table], value(fill) as f64);
        }
    }
}

/// The labels of [`BACKEND`], with the values that node_exporter reads from `/proc/net/ip_vs`: a mark has no address and
/// no port, and is written there in eight hexadecimal digits.
pub(super) fn backend(service: ServiceKey, server: &ServerRow) -> [String; 6] {
    let (address, mark, proto) = match service {
        ServiceKey::Listen(listen) => {
            let proto = match listen.protocol {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
                Protocol::Sctp => "SCTP",
            };
            (listen.address.to_string(), String::new(), proto)
        }
        ServiceKey::Mark(mark) => (String::new(), format!("{:08X}", mark.mark), "FWM"),
    };
    let remote = (server.address.to_string(), server.port.to_string());
    [address, mark, service.port().to_string(), proto.to_owned(), remote.0, remote.1]
}
