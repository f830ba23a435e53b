//! Who may write: the lease of a partition by the database's clock, and the epoch by which late writes are refused.
//!
//! The lease decides who tries, the epoch decides who may. A process that was stopped and wakes believes that it is still
//! the owner; nothing that it does then depends on its clock: its commit, its settlements and its sending name an epoch
//! that is not the partition's any more. Deliberately absent: when to ask again (see `pipeline::tenure`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::Sql;
use super::connection::{Connection, query};
use super::text::{Dialect, Text};
use super::writer::Job;
use crate::model::time::Span;
use crate::store::rows::count;
use crate::store::{Holding, StoreError};

/// Epochs that are ours, by partition.
#[derive(Debug, Default)]
pub(super) struct Owned(Mutex<BTreeMap<u32, u64>>);

/// Which epochs must still be the partitions'.
pub(in crate::store) type Fence = Vec<(u32, u64)>;

impl Owned {
    /// An epoch is ours from now on.
    pub(super) fn set(&self, partition: u32, epoch: u64) {
        let mut owned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owned.insert(partition, epoch);
    }

    /// What must still hold when something is written; nothing where nothing was taken over.
    pub(super) fn fence(&self) -> Fence {
        let owned = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        owned
            .iter()
            .map(|(partition, epoch)| (*partition, *epoch))
            .collect()
    }
}

/// Refuses what a replaced owner would write. The rows stay as they are until the transaction ends: whoever wants to take
/// over waits for it.
pub(super) async fn check(connection: &mut Connection, fence: &Fence) -> Result<(), StoreError> {
    static NOW: Text = Text::new("SELECT epoch, cursor FROM partition WHERE id = $1{; FOR SHARE}");
    for (partition, ours) in fence {
        let found: Option<(i64, i64)> = query(&NOW)
            .bind(*partition)
            .fetch_optional(&mut *connection)
            .await?;
        let (epoch, cursor) = found.unwrap_or_default();
        let (epoch, cursor) = (count(epoch)?, count(cursor)?);
        if epoch != *ours {
            return Err(StoreError::TakenOver {
                partition: *partition,
                epoch,
                cursor,
            });
        }
    }
    Ok(())
}

/// Takes or renews a lease.
pub(super) async fn hold(
    store: &Sql,
    partition: u32,
    owner: &str,
    term: Span,
) -> Result<Holding, StoreError> {
    if store.reads.dialect() == Dialect::Sqlite {
        return Ok(Holding::Ours);
    }
    let owner = owner.to_owned();
    store
        .ask(|reply| Job::Hold {
            partition,
            owner,
            term,
            reply,
        })
        .await
}

/// Gives a lease back.
pub(super) async fn give_up(store: &Sql, partition: u32, owner: &str) -> Result<(), StoreError> {
    if store.reads.dialect() == Dialect::Sqlite {
        return Ok(());
    }
    hold(store, partition, owner, Span::ZERO)
        .await
        .map(|_holding| ())
}

/// Takes the lease where it is ours, or has run out; looks first, so that waiting for it locks nothing.
pub(super) async fn take(
    connection: &mut Connection,
    partition: u32,
    owner: &str,
    term: Span,
) -> Result<Holding, StoreError> {
    const LEFT: &str = "SELECT owner, (extract(epoch FROM lease_until - clock_timestamp()) * 1000)::bigint \
        FROM partition WHERE id = $1";
    const TAKE: &str = "INSERT INTO partition (id, owner, epoch, cursor, floor, packed, lease_until) \
        VALUES ($1, $2, 0, 0, 0, 0, clock_timestamp() + $3::double precision * interval '1 millisecond') \
        ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until \
        WHERE partition.owner = excluded.owner OR partition.lease_until < clock_timestamp()";
    let found: Option<(String, i64)> = query(LEFT)
        .bind(partition)
        .fetch_optional(&mut *connection)
        .await?;
    let (holder, left) = found.unwrap_or_default();
    let free = holder == owner || left <= 0;
    if free || holder.is_empty() {
        let taken = query(TAKE)
            .bind(partition)
            .bind(owner)
            .bind(term.as_millis())
            .execute(&mut *connection)
            .await?;
        if taken == 1 {
            return Ok(Holding::Ours);
        }
    }
    Ok(Holding::Others {
        owner: holder,
        left: Span::millis(left.max(0)),
    })
}
