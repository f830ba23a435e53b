//! A process that is killed while it commits, and what another finds.
//!
//! The test runs itself once more as a child that commits without end and says what it was told; the parent kills it.
//! Deliberately absent: waiting for time.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use bailiwick::store::ONLY_PARTITION;

use crate::support::{Database, Script, alert, demo, open, tells};

/// Names the file to the child.
const FILE: &str = "BAILIWICK_TEST_STORE";

/// Entries of one batch; every one bears an alert.
const PER_BATCH: u64 = 7;

/// The child's part; without a file there is nothing to do.
#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "the environment is how the parent tells its child the file"
)]
async fn child_commits_without_end() {
    let Ok(url) = std::env::var(FILE) else {
        return;
    };
    let opened = open(&url).await.unwrap();
    let mut script = Script::begin(&*opened.store).await;
    loop {
        for _entry in 0..PER_BATCH {
            let opening = alert(
                &demo(),
                "W-1",
                &format!("{}", script.cursor + 1),
                script.now,
            );
            script.report(&demo(), "W-1", vec![tells(&opening)]);
        }
        script.commit(&*opened.store).await;
        println!("stored {}", script.cursor);
    }
}

fn start_child(url: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child_commits_without_end", "--nocapture"])
        .env(FILE, url)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn what_was_told_before_a_kill_is_there_after_it() {
    told_is_there(&Database::sqlite()).await;
}

#[tokio::test]
async fn what_was_told_before_a_kill_is_there_after_it_on_postgres() {
    told_is_there(&Database::postgres()).await;
}

async fn told_is_there(database: &Database) {
    let mut told = 0;
    for lines in [1, 2, 40, 3, 100] {
        let mut child = start_child(&database.url());
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        // The first line may follow words of the test's runner on the same line.
        let stored = said.filter_map(|line| line.unwrap().rsplit_once("stored ")?.1.parse().ok());
        for cursor in stored.take(lines) {
            told = cursor;
        }
        if let Database::Sqlite(_) = database {
            let refused = open(&database.url()).await.unwrap_err().to_string();
            assert!(refused.contains("it is open already"), "{refused}");
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let opened = database.open().await;
        let recovery = opened
            .store
            .take_over(ONLY_PARTITION, "test")
            .await
            .unwrap();
        let cursor = recovery.cursor;
        assert!(cursor >= told, "{told} were told, {cursor} are there");
        assert_eq!(cursor % PER_BATCH, 0, "only whole batches are there");
        let mut read = 0;
        loop {
            let rows = opened
                .store
                .journal(ONLY_PARTITION, read, 1_000)
                .await
                .unwrap();
            let Some(last) = rows.last() else { break };
            assert_eq!(
                last.stamped.position,
                read + u64::try_from(rows.len()).unwrap()
            );
            assert!(rows.iter().all(|row| row.effects.len() == 1));
            read = last.stamped.position;
        }
        assert_eq!(read, cursor);
        assert_eq!(
            opened.store.stream_bounds(&demo()).await.unwrap(),
            (1, cursor)
        );
        opened.close().await;
    }
}
