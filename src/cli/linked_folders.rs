//! Linked folders of the vault, as `status` and promotions show them.

use serde_json::{Value, json};

use crate::app::LinkedFolders;
use crate::model::text;

/// One row for each link that kavi.toml names.
pub fn rows(linked: &LinkedFolders) -> Vec<(&'static str, String)> {
    let followed = linked.folders.iter().map(|linked| {
        let (name, target) = (text::line(&linked.name, 400), linked.target.display().to_string());
        ("linked folder", format!("{name} leads to {}, read-only", text::line(&target, 1_100)))
    });
    let broken = linked.broken.iter().map(|link| {
        ("broken link", format!("{} is not followed: {}", text::line(&link.name, 400), text::line(&link.why, 1_500)))
    });
    followed.chain(broken).collect()
}

/// The same for machines.
pub fn document(linked: &LinkedFolders) -> Value {
    let followed = linked.folders.iter().map(|linked| json!({ "name": linked.name, "target": linked.target }));
    let broken = linked.broken.iter().map(|link| json!({ "name": link.name, "broken": link.why }));
    followed.chain(broken).collect()
}
