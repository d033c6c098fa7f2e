//! Every setting of a workspace, and where its value comes from.
//!
//! Guarantees: it has every setting that Kavi knows, and the value that is in force. Deliberately never: shows a value of the
//! environment, which may be a secret.

use std::collections::BTreeMap;

use super::config::TEMPLATE;
use crate::model::limits::Limits;

/// Where the value of a setting comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum SettingOrigin {
    /// The person wrote it.
    #[serde(rename = "kavi.toml")]
    File,
    /// Nobody did.
    #[serde(rename = "default")]
    Default,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Setting {
    /// Its name: `table.name`, or `name` at the top.
    pub key: String,
    /// Its value.
    pub value: serde_json::Value,
    /// Where that comes from.
    pub origin: SettingOrigin,
}

/// The settings that a kavi.toml with this text has, by name. The text has been read as one before.
pub fn settings(text: &str) -> Vec<Setting> {
    let with = |text: &str, origin| {
        let table: toml::Table = text.parse().unwrap_or_default();
        let mut found = BTreeMap::new();
        flatten(&mut found, "", &table);
        found.into_iter().map(move |(key, value)| (key.clone(), Setting { key, value, origin })).collect::<Vec<_>>()
    };
    // The template has every setting with its default, which a test of it holds, but for limits that people seldom need.
    let limits = serde_json::to_value(Limits::default()).unwrap_or_default();
    let limits = limits.as_object().into_iter().flatten().map(|(name, value)| {
        let key = format!("limits.{name}");
        (key.clone(), Setting { key, value: value.clone(), origin: SettingOrigin::Default })
    });
    let mut all: BTreeMap<String, Setting> = limits.chain(with(TEMPLATE, SettingOrigin::Default)).collect();
    all.extend(with(text, SettingOrigin::File));
    all.into_values().collect()
}

fn flatten(found: &mut BTreeMap<String, serde_json::Value>, above: &str, table: &toml::Table) {
    for (name, value) in table {
        let key = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
        match value {
            toml::Value::Table(below) => flatten(found, &key, below),
            value => {
                found.insert(key, serde_json::to_value(value).unwrap_or_default());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_says_where_its_value_comes_from() {
        let all = settings("vault = \"~/Notes\"\n[limits]\nwall_ms = 5\n");
        let of = |key: &str| all.iter().find(|setting| setting.key == key).map(|it| (it.value.to_string(), it.origin));
        assert_eq!(of("vault"), Some(("\"~/Notes\"".to_owned(), SettingOrigin::File)));
        assert_eq!(of("limits.wall_ms"), Some(("5".to_owned(), SettingOrigin::File)));
        assert_eq!(of("confinement"), Some(("\"required\"".to_owned(), SettingOrigin::Default)));
        assert_eq!(of("policy.cli.READ_ONLY").map(|it| it.1), Some(SettingOrigin::Default));
        for limit in crate::model::limits::Limits::NAMES {
            assert!(of(&format!("limits.{limit}")).is_some(), "{limit}");
        }
    }
}
