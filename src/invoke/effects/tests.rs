use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::artifacts::Store;
use crate::cage::{Cage, Confinement};
use crate::context::reader::ContextReader;
use crate::invoke::commit_point::NoObserver;
use crate::invoke::context::SharedContext;
use crate::ledger::{Create, Ledger};
use crate::model::{
    id::{ExecutionId, RandomIds},
    layout::Layout,
    limits::Limits,
    time::SystemClock,
};
use crate::policy::channels::ChannelPolicy;
use crate::runtime::{CodeCache, Loader};

#[test]
fn runs_that_end_during_a_recovery_are_no_trouble() -> Result<(), Box<dyn std::error::Error>> {
    let root = tempfile::tempdir()?;
    let layout = Layout { root: root.path().to_owned(), vault: root.path().join("vault") };
    fs::create_dir_all(layout.state())?;
    fs::create_dir_all(&layout.vault)?;
    let ledger = Ledger::open(&layout.ledger(), Create::IfMissing)?;
    let store = Store::open(&layout)?;
    let cage = Cage::new(PathBuf::from("kavi"), Confinement::Required);
    let cache = CodeCache::new(layout.code_cache(), None, crate::runtime::import_table_version());
    let (channels, limits) = (ChannelPolicy::default(), Limits::default());
    let shared = SharedContext {
        anchor: None,
        layout: &layout,
        linked: &[],
        store: &store,
        channels: &channels,
        governance: &ContextReader::default(),
        hold: Duration::from_hours(1),
        observer: &NoObserver,
        clock: &SystemClock,
        ids: &RandomIds,
        loader: Loader { cage: &cage, cache: &cache },
        roots_file: None,
        secrets: const { &std::collections::BTreeMap::new() },
        limits: &limits,
    };
    let context = shared.with_ledger(&ledger);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    (0..100).try_for_each(|_| Staging::create(&layout, ExecutionId::new(&RandomIds)).map(drop))
                })
            })
            .collect();
        while running.iter().any(|thread| !thread.is_finished()) {
            recover(&context)?;
        }
        running.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
    })?;
    Ok(())
}
