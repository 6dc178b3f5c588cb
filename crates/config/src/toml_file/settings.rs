//! `[timeouts]` and `[ipvs]`.

use super::section::{Section, wrong_type};
use crate::draft::Given;
use crate::names::nearest;
use crate::report::{Fault, Report, quoted};
use crate::sysctl::does_nothing;
use relvs_model::{Settings, Timeouts, Unset};
use toml::de::DeValue;

pub(super) fn timeouts(section: &Section<'_>, report: &mut Report) -> Timeouts {
    section.finish(report);
    let default = Timeouts::default();
    let mut read = |key, default| section.duration(key, report).or(default).unwrap_or(default);
    Timeouts {
        tcp_s: read("tcp", default.tcp_s),
        tcp_fin_s: read("tcp_fin", default.tcp_fin_s),
        udp_s: read("udp", default.udp_s),
    }
}

pub(super) fn ipvs(section: &Section<'_>, report: &mut Report) -> Settings {
    let mut settings = Settings::default();
    for (name, span) in section.names() {
        let Given::Is(value, at) = section.value(name) else { continue };
        let text = match value {
            DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
                .map_or_else(|_| integer.to_string(), |number| number.to_string()),
            DeValue::Boolean(switch) => u8::from(*switch).to_string(),
            DeValue::String(text) => text.to_string(),
            DeValue::Array(array) => {
                let numbers: Vec<String> = array.iter().map(|number| quoted_number(number.get_ref())).collect();
                numbers.join(" ")
            }
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => {
                report.error(&at, wrong_type(&quoted(name), "a number", value));
                continue;
            }
        };
        match settings.set(name, &text) {
            Ok(()) => {
                if let Some(why) = does_nothing(name).filter(|_| !is_default(&settings, name)) {
                    let fault = Fault::new(format!("`{name}` does nothing here: {why}"));
                    report.warning(&span, fault.help("leave it out"));
                }
            }
            Err(Unset::Value { expected }) => {
                report.error(&at, Fault::new(format!("`{name}` must be {expected}, not {}", quoted(&text))));
            }
            Err(Unset::Name) => {
                let fault = Fault::new(format!("unknown key {} in [ipvs]", quoted(name)));
                let fault = match nearest(name, Settings::NAMES.iter().copied()) {
                    Some(known) => fault.help(format!("did you mean `{known}`?")),
                    None => fault.help("known here: every name under net.ipv4.vs"),
                };
                report.error(&span, fault);
            }
        }
    }
    settings
}

fn quoted_number(value: &DeValue<'_>) -> String {
    value.as_integer().map_or_else(|| "?".to_owned(), ToString::to_string)
}

fn is_default(settings: &Settings, name: &str) -> bool {
    let value = |settings: &Settings| settings.entries().into_iter().find(|(other, _)| *other == name);
    value(settings) == value(&Settings::default())
}
