//! The JSON Schema (draft 7) for editors of relvs.toml. What a schema cannot say, as that a service has `listen` or
//! `mark`, `relvs check` says.

use crate::words;
use relvs_config::keys::{Kind, ROOT, Table, settings};
use relvs_model::Persistence;
use serde_json::{Map, Value, json};

pub(crate) fn text() -> String {
    let mut root = object(&ROOT);
    root.insert("$schema".to_owned(), json!("http://json-schema.org/draft-07/schema#"));
    root.insert("title".to_owned(), json!("relvs.toml"));
    let shared = ROOT.all().into_iter().filter(|table| places(&ROOT, table) > 1);
    let definitions = shared.map(|table| (name(table), Value::Object(object(table)))).collect();
    root.insert("definitions".to_owned(), Value::Object(definitions));
    serde_json::to_string_pretty(&root).unwrap() + "\n"
}

/// In how many places a table stands.
fn places(within: &'static Table, table: &Table) -> usize {
    let tables = within.keys.iter().flat_map(|key| key.kind.tables());
    tables.map(|found| usize::from(std::ptr::eq(found, table)) + places(found, table)).sum()
}

/// The name of a table's definition.
fn name(table: &Table) -> String {
    table.title.replace(['[', ']'], "")
}

/// A table, or where it is defined if it stands in several places.
fn table(table: &'static Table) -> Value {
    if places(&ROOT, table) > 1 {
        return json!({ "$ref": format!("#/definitions/{}", name(table)) });
    }
    Value::Object(object(table))
}

fn object(table: &'static Table) -> Map<String, Value> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for key in table.keys {
        let mut schema = kind(&key.kind);
        let default = words::default(&key.default);
        let text = format!("{} Default: {default}.", key.meaning).replace('`', "");
        schema.insert("description".to_owned(), json!(text));
        if matches!(key.default, relvs_config::keys::Default::Required) {
            required.push(key.name);
        }
        properties.insert(key.name.to_owned(), Value::Object(schema));
    }
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("description".to_owned(), json!(table.about.replace('`', "")));
    object.insert("properties".to_owned(), Value::Object(properties));
    object.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

fn kind(kind: &Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text { examples, .. } => json!({ "type": "string", "examples": examples }),
        Kind::Words(words) => json!({ "type": "string", "enum": words() }),
        Kind::Integer { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Signed { least, most } => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Duration => json!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": Persistence::MAX_TIMEOUT_S },
            { "type": "string", "pattern": "^[0-9]+[smhd]$" },
        ]}),
        Kind::Pause { .. } => json!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": Persistence::MAX_TIMEOUT_S },
            { "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" },
        ]}),
        Kind::Array(one) => json!({ "type": "array", "items": self::kind(one) }),
        Kind::OneOrMore(one) => {
            json!({ "anyOf": [self::kind(one), { "type": "array", "items": self::kind(one) }] })
        }
        Kind::Either(kinds) => json!({ "anyOf": kinds.iter().map(self::kind).collect::<Vec<_>>() }),
        Kind::Table(of) => table(of),
        Kind::Tables(of) => json!({ "type": "array", "items": table(of) }),
        Kind::Settings(table) => {
            let mut whole = object(table);
            let of = |setting: relvs_config::keys::Setting| {
                let does = setting.does_nothing.map(|why| format!("Does nothing: {why}."));
                let text = does.unwrap_or_else(|| setting.meaning.to_owned());
                let text = format!("{text} Default: {}.", words::setting(&setting)).replace('`', "");
                (setting.name.to_owned(), json!({ "description": text }))
            };
            whole.insert("properties".to_owned(), settings().into_iter().map(of).collect());
            Value::Object(whole)
        }
    };
    if let Value::Object(schema) = schema { schema } else { Map::new() }
}

/// What of the value the schema refuses: as much of draft 7 as is used above.
fn refused(root: &Value, schema: &Value, value: &Value, path: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.strip_prefix("#/definitions/")) {
        return refused(root, &root["definitions"][name], value, path);
    }
    let no = |why: &str| Some(format!("{path}: {why}: {value}"));
    if let Some(options) = schema["anyOf"].as_array() {
        let fits = options.iter().any(|option| refused(root, option, value, path).is_none());
        return if fits { None } else { no("fits none") };
    }
    let is = match value {
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Null => "null",
    };
    if schema["type"].as_str().is_some_and(|wanted| wanted != is) {
        return no("another type");
    }
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return no("not one of the words");
    }
    if let Some(number) = value.as_i64() {
        let (least, most) = (schema["minimum"].as_i64(), schema["maximum"].as_i64());
        if least.is_some_and(|least| number < least) || most.is_some_and(|most| number > most) {
            return no("out of range");
        }
    }
    for element in value.as_array().into_iter().flatten() {
        if let Some(why) = refused(root, &schema["items"], element, &format!("{path}[]")) {
            return Some(why);
        }
    }
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = required.into_iter().find(|name| value.get(name).is_none()) {
        return no(&format!("{missing} is missing"));
    }
    for (name, within) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(schema) => {
                if let Some(why) = refused(root, schema, within, &format!("{path}.{name}")) {
                    return Some(why);
                }
            }
            None if schema["additionalProperties"] == json!(false) => return no(&format!("{name} is unknown")),
            None => {}
        }
    }
    None
}

/// TOML as JSON.
fn value(toml: &toml::de::DeValue<'_>) -> Value {
    use toml::de::DeValue;
    match toml {
        DeValue::String(text) => json!(text),
        DeValue::Integer(number) => json!(i64::from_str_radix(number.as_str(), number.radix()).unwrap()),
        DeValue::Boolean(switch) => json!(switch),
        DeValue::Array(array) => array.iter().map(|element| value(element.get_ref())).collect(),
        DeValue::Table(table) => {
            Value::Object(table.iter().map(|(name, v)| (name.get_ref().to_string(), value(v.get_ref()))).collect())
        }
        DeValue::Float(_) | DeValue::Datetime(_) => Value::Null,
    }
}

#[test]
fn examples_of_the_guide_fit_and_mistakes_do_not() {
    let schema: Value = serde_json::from_str(&text()).unwrap();
    let judged = |text: &str| {
        let table = toml::de::DeTable::parse(text).unwrap();
        refused(&schema, &schema, &value(&toml::de::DeValue::Table(table.get_ref().clone())), "")
    };
    let guides = [
        include_str!("../../../../docs/configuration.md"),
        include_str!("../../../../docs/health-checks.md"),
        include_str!("../../../../docs/high-availability.md"),
    ];
    let examples = guides.iter().flat_map(|guide| guide.split("```toml\n").skip(1));
    let examples: Vec<&str> = examples.filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(examples.len() >= 16, "{}", examples.len());
    for example in examples {
        assert_eq!(judged(example), None, "{example}");
    }
    for (wrong, why) in [
        ("[director]\nflow = 7\n", "unknown"),
        ("[director]\nflows = 0\n", "range"),
        ("[director]\nxdp_mode = \"fast\"\n", "words"),
        ("[[rule]]\nsource = \"10.0.0.0/8\"\n", "missing"),
        ("[service]\nmark = 1\n", "type"),
        ("[[service]]\nmark = 1\npersistence = 1.5\n", "none"),
        ("[ipvs]\nsloppy_udp = 1\n", "unknown"),
        ("[[service]]\nmark = 1\ndamping = { falls = 3 }\n", "missing"),
        ("[[service]]\nmark = 1\ncheck = { type = \"htp\" }\n", "none"),
    ] {
        assert!(judged(wrong).is_some_and(|said| said.contains(why)), "{wrong}: {:?}", judged(wrong));
    }
}
