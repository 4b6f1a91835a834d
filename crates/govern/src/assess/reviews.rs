//! The facts of access reviews: one element a line.

use countersign_model::access::review::ReviewVerdict;
use serde_json::json;

use super::facts::Folding;
use super::weaknesses::millis;
use crate::Error;

impl Folding<'_> {
    /// Lines of the reviews that were due in the window or later, and opened before its end. One that nobody decided yet, and that is
    /// not due, is left out: there is time.
    pub(super) fn reviews(&mut self) -> Result<(), Error> {
        let mut reviews = Vec::new();
        for (id, due, _) in self.sight.state.review_dates()? {
            if due < self.window.from {
                continue;
            }
            let Some(review) = self.sight.state.review(&id)? else { continue };
            if !self.is_known(review.index) {
                continue;
            }
            self.sources.insert("access-review");
            let over = due <= self.window.to;
            let closed = review.closed.as_ref().filter(|(index, _)| self.is_known(*index));
            for l in &review.lines {
                let decided = l.decided.as_ref().filter(|d| self.is_known(d.index));
                if decided.is_none() && closed.is_none() && !over {
                    continue;
                }
                let goes = decided.is_none_or(|d| d.verdict != ReviewVerdict::Keep);
                let gone = closed.and_then(|(_, c)| c.gone.iter().find(|g| g.line == l.line.line));
                let mut entries: Vec<u64> = [review.index]
                    .into_iter()
                    .chain(decided.map(|d| d.index))
                    .chain(closed.map(|c| c.0))
                    .chain(gone.map(|g| g.index))
                    .collect();
                entries.sort_unstable();
                entries.dedup();
                let access = &l.line.access;
                let subject = access.person.as_ref().map_or(access.what.as_str(), |p| p.as_str());
                reviews.push(json!({
                    "id": format!("{id} line {}", l.line.line), "entries": entries,
                    "reviewer": decided.map_or(&l.line.reviewer, |d| &d.by), "subject": subject, "due": millis(due),
                    "decided": decided.map(|d| millis(d.time)), "revoke": goes && (closed.is_some() || over),
                    "gone": gone.is_some(),
                }));
            }
        }
        self.put("reviews", reviews);
        Ok(())
    }
}
