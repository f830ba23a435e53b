//! Who has subscribed to what.
//!
//! Filters by connection go in, a topic's subscribers come out. Filters without wildcards, nearly all of them, are found
//! by the topic itself; the others are tried one by one. A connection whose filters overlap gets a message once, at the
//! best quality of service among them. Deliberately absent: whether somebody may subscribe (see [`super::rules`]).

use std::collections::BTreeMap;

use super::packet::Qos;
use crate::wire::topic::TopicFilter;

/// Who has subscribed to what.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// By topic, then by connection.
    exact: BTreeMap<String, BTreeMap<u64, Qos>>,
    /// By connection.
    wild: BTreeMap<u64, Vec<Wild>>,
    /// All filters of a connection.
    of: BTreeMap<u64, Vec<String>>,
    count: usize,
    receipt_count: usize,
}

#[derive(Debug)]
struct Wild {
    text: String,
    filter: TopicFilter,
    qos: Qos,
}

/// A filter with its text.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) text: String,
    pub(super) filter: TopicFilter,
    pub(super) qos: Qos,
}

impl Subscriptions {
    /// Adds a subscription, or changes its quality of service. False where the connection has `most` already.
    pub(super) fn add(&mut self, line: u64, wanted: Wanted, most: usize) -> bool {
        let texts = self.of.entry(line).or_default();
        if !texts.contains(&wanted.text) {
            if texts.len() >= most {
                return false;
            }
            texts.push(wanted.text.clone());
            self.count += 1;
            self.receipt_count += usize::from(may_be_receipts(&wanted.text));
        }
        if is_exact(&wanted.text) {
            let lines = self.exact.entry(wanted.text).or_default();
            lines.insert(line, wanted.qos);
        } else {
            let wild = self.wild.entry(line).or_default();
            wild.retain(|known| known.text != wanted.text);
            wild.push(Wild {
                text: wanted.text,
                filter: wanted.filter,
                qos: wanted.qos,
            });
        }
        true
    }

    /// Removes a subscription; false where there is none.
    pub(super) fn remove(&mut self, line: u64, text: &str) -> bool {
        let Some(texts) = self.of.get_mut(&line) else {
            return false;
        };
        let Some(place) = texts.iter().position(|known| known == text) else {
            return false;
        };
        texts.swap_remove(place);
        self.drop_filter(line, text);
        true
    }

    /// Removes all subscriptions of a connection.
    pub(super) fn remove_all(&mut self, line: u64) {
        for text in self.of.remove(&line).unwrap_or_default() {
            self.drop_filter(line, &text);
        }
    }

    fn drop_filter(&mut self, line: u64, text: &str) {
        self.count -= 1;
        self.receipt_count -= usize::from(may_be_receipts(text));
        if let Some(lines) = self.exact.get_mut(text) {
            lines.remove(&line);
            if lines.is_empty() {
                self.exact.remove(text);
            }
        }
        if let Some(wild) = self.wild.get_mut(&line) {
            wild.retain(|known| known.text != text);
            if wild.is_empty() {
                self.wild.remove(&line);
            }
        }
    }

    /// The connections that get a message on a topic, each once.
    pub(super) fn of_topic(&self, topic: &str) -> BTreeMap<u64, Qos> {
        let mut lines = self.exact.get(topic).cloned().unwrap_or_default();
        for (line, wild) in &self.wild {
            let matching = wild.iter().filter(|known| known.filter.matches(topic));
            if let Some(qos) = matching.map(|known| known.qos).max() {
                let best = lines.entry(*line).or_insert(qos);
                *best = qos.max(*best);
            }
        }
        lines
    }

    /// How many there are.
    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// How many of them may match the topic of a receipt: while there are none, receipts need not be written.
    pub(super) const fn receipt_count(&self) -> usize {
        self.receipt_count
    }
}

/// Whether a filter may match the topic of a receipt. Every filter with a wildcard is taken for one.
pub(super) fn may_be_receipts(text: &str) -> bool {
    !is_exact(text) || text.ends_with("/receipt")
}

/// Whether a filter has no wildcards.
fn is_exact(text: &str) -> bool {
    !text.contains(['+', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str, qos: Qos) -> Wanted {
        Wanted {
            text: text.to_owned(),
            filter: TopicFilter::parse(text).unwrap(),
            qos,
        }
    }

    fn check(subscriptions: &Subscriptions, topic: &str, expected: &[(u64, Qos)]) {
        let found: Vec<(u64, Qos)> = subscriptions.of_topic(topic).into_iter().collect();
        assert_eq!(found, expected, "{topic}");
    }

    #[test]
    fn a_topic_finds_each_subscriber_once_at_its_best() {
        let mut all = Subscriptions::default();
        assert!(all.add(1, wanted("em/demo/desk/alert", Qos::Most), 10));
        assert!(all.add(1, wanted("em/demo/#", Qos::Least), 10));
        assert!(all.add(2, wanted("em/demo/+/receipt", Qos::Most), 10));
        assert!(all.add(3, wanted("em/demo/tag-7/receipt", Qos::Least), 10));
        check(&all, "em/demo/desk/alert", &[(1, Qos::Least)]);
        check(
            &all,
            "em/demo/tag-7/receipt",
            &[(1, Qos::Least), (2, Qos::Most), (3, Qos::Least)],
        );
        check(&all, "em/other/desk/alert", &[]);
        assert_eq!(all.count(), 4);
        assert_eq!(all.receipt_count(), 3);
    }

    #[test]
    fn the_same_filter_again_replaces_and_does_not_count() {
        let mut all = Subscriptions::default();
        for qos in [Qos::Least, Qos::Most] {
            assert!(all.add(1, wanted("em/demo/desk/alert", qos), 2));
            assert!(all.add(1, wanted("em/demo/#", qos), 2));
        }
        assert!(
            !all.add(1, wanted("em/demo/+/receipt", Qos::Most), 2),
            "a third"
        );
        check(&all, "em/demo/desk/alert", &[(1, Qos::Most)]);
        assert_eq!(all.count(), 2);
    }

    #[test]
    fn nothing_stays_behind() {
        let mut all = Subscriptions::default();
        for line in 1..=2 {
            all.add(line, wanted("em/demo/desk/alert", Qos::Least), 10);
            all.add(line, wanted("em/demo/#", Qos::Least), 10);
        }
        assert!(all.remove(1, "em/demo/#"));
        assert!(!all.remove(1, "em/demo/#"), "only once");
        assert!(!all.remove(3, "em/demo/#"), "nobody");
        check(&all, "em/demo/x/y", &[(2, Qos::Least)]);
        all.remove_all(1);
        all.remove_all(2);
        check(&all, "em/demo/desk/alert", &[]);
        assert!(all.exact.is_empty() && all.wild.is_empty() && all.of.is_empty());
        assert_eq!((all.count(), all.receipt_count()), (0, 0));
    }
}
