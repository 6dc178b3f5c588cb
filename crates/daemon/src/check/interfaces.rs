//! The interfaces that are to be served: whether they are there, up, free, and how fast they can be.

use super::{Finding, Place, machine::View};
use relvs_model::XdpMode;
use relvs_net::Link;

pub(super) fn judge(view: &View<'_>) -> Vec<Finding> {
    let names = &view.state.director.interfaces;
    if names.is_empty() {
        let message = "no interface is served, so no packet is looked at";
        let remedy =
            "name those of the clients, and for nat those of the servers, in [director] interfaces or by --interface";
        return vec![Finding::warning(Place::File, message, remedy)];
    }
    let mut found = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let place = Place::Interface(index);
        match view.machine.links.iter().find(|link| link.name == *name) {
            None => found.push(Finding::error(
                place,
                format!("interface `{name}` does not exist"),
                "`ip link` lists those of this machine",
            )),
            Some(link) if link.mac.is_none() => found.push(Finding::error(
                place,
                format!("interface `{name}` carries no Ethernet frames, so it cannot be served"),
                "name the interface that its packets come in on",
            )),
            Some(link) => found.extend(one(view, link, place)),
        }
    }
    found
}

fn one(view: &View<'_>, link: &Link, place: Place) -> Vec<Finding> {
    let name = &link.name;
    let mut found = Vec::new();
    if !link.up {
        let message = format!("interface `{name}` is down, so nothing arrives on it and nothing leaves");
        found.push(Finding::error(place, message, format!("`ip link set dev {name} up`")));
    } else if !link.running {
        let message = format!("interface `{name}` has no carrier");
        found.push(Finding::warning(place, message, "see to its cable, or to the interface at its other end"));
    }
    if link.xdp_attached && !view.machine.ours.contains(&link.index) {
        let message = format!("another XDP program is attached to `{name}`, and there is room for one");
        let remedy = format!(
            "`bpftool net` shows it; end the program that attached it, or `ip link set dev {name} xdp off`; if it is relvs's \
             own, name its --run-dir"
        );
        found.push(Finding::error(place, message, remedy));
    }
    found.extend(speed(view, link, place));
    found
}

/// Whether the program can run in the driver.
fn speed(view: &View<'_>, link: &Link, place: Place) -> Option<Finding> {
    let name = &link.name;
    let native = view.machine.features.get(&link.index).map(|features| features.native);
    let meant = "write xdp_mode = \"generic\" to say that this is meant";
    match view.state.director.xdp_mode {
        XdpMode::Generic => None,
        XdpMode::Native if native == Some(false) => Some(Finding::error(
            Place::XdpMode,
            format!("the driver of `{name}` has no native XDP"),
            "write xdp_mode = \"auto\" or \"generic\"",
        )),
        XdpMode::Native if link.is_veth() => Some(Finding::warning(
            Place::XdpMode,
            format!(
                "`{name}` is a veth: in native mode what is sent back on it arrives only if its peer has an XDP program too"
            ),
            "write xdp_mode = \"generic\", or attach one there",
        )),
        XdpMode::Native => None,
        XdpMode::Auto if link.is_veth() => {
            Some(Finding::warning(place, format!("`{name}` is a veth: generic mode is taken, which is slower"), meant))
        }
        XdpMode::Auto if native == Some(false) => {
            let message = format!("the driver of `{name}` has no native XDP: generic mode is taken, which is slower");
            Some(Finding::warning(place, message, meant))
        }
        XdpMode::Auto => None,
    }
}
