//! What the database said, as an error of the store.

use crate::context::store::GovernanceStoreError;

/// What the database said, without the values that its details would show.
pub(super) fn unusable(error: tokio_postgres::Error) -> GovernanceStoreError {
    let said = match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => match std::error::Error::source(&error) {
            Some(source) => format!("{error}: {source}"),
            None => error.to_string(),
        },
    };
    GovernanceStoreError::Unusable(said)
}
