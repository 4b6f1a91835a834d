//! Where a rule may look: around its keywords, up to the ends of their lines.

use std::ops::Range;

use super::MARGIN;

/// A stretch of text that one rule looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) rule: u32,
    pub(super) range: Range<usize>,
}

/// Gathers keyword hits into windows; hits near each other share one, so memory is bounded by the text's length.
pub(super) struct Windows {
    list: Vec<Window>,
    /// Per rule, one more than the place of its latest window in `list`; 0 is none. Made at the first hit, for most
    /// files have none.
    latest: Vec<usize>,
    rules: usize,
}

impl Windows {
    pub(super) const fn new(rules: usize) -> Self {
        Self { list: Vec::new(), latest: Vec::new(), rules }
    }

    /// A keyword of `rule` stands at `hit`; the rule looks `reach` bytes around it.
    pub(super) fn hit(&mut self, rule: u32, hit: Range<usize>, reach: usize, len: usize) {
        if self.latest.is_empty() {
            self.latest.resize(self.rules, 0);
        }
        let range = hit.start.saturating_sub(reach)..hit.end.saturating_add(reach).min(len);
        let Some(slot) = self.latest.get_mut(rule as usize) else { return };
        if let Some(last) = slot.checked_sub(1).and_then(|n| self.list.get_mut(n))
            && range.start <= last.range.end
        {
            last.range.end = last.range.end.max(range.end);
            last.range.start = last.range.start.min(range.start);
            return;
        }
        self.list.push(Window { rule, range });
        *slot = self.list.len();
    }

    /// All windows by rule and place, moved out to the ends of lines and joined where they then meet.
    pub(super) fn finish(mut self, text: &[u8]) -> Vec<Window> {
        for window in &mut self.list {
            window.range = to_lines(text, &window.range);
        }
        self.list.sort_by_key(|w| (w.rule, w.range.start));
        self.list.dedup_by(|next, kept| {
            let joined = next.rule == kept.rule && next.range.start <= kept.range.end;
            if joined {
                kept.range.end = kept.range.end.max(next.range.end);
            }
            joined
        });
        self.list
    }
}

/// `range` moved out to whole lines where their ends are near; in a long line, moved out by the margin. The line break
/// at the end belongs to it, so that an expression can ask for white space behind a value.
fn to_lines(text: &[u8], range: &Range<usize>) -> Range<usize> {
    let floor = range.start.saturating_sub(MARGIN);
    let start = text[floor..range.start].iter().rposition(|b| *b == b'\n').map_or(floor, |n| floor + n + 1);
    let ceiling = range.end.saturating_add(MARGIN).min(text.len());
    let end = text[range.end..ceiling].iter().position(|b| *b == b'\n').map_or(ceiling, |n| range.end + n + 1);
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_hits_share_a_window_and_far_ones_do_not() {
        let text = vec![b'x'; 100_000];
        let mut w = Windows::new(2);
        w.hit(1, 10..14, 5, text.len());
        w.hit(1, 16..20, 5, text.len());
        w.hit(0, 16..20, 5, text.len());
        w.hit(1, 50_000..50_004, 5, text.len());
        let ranges: Vec<_> = w.finish(&text).into_iter().map(|w| (w.rule, w.range)).collect();
        assert_eq!(ranges, [(0, 0..25 + MARGIN), (1, 0..25 + MARGIN), (1, 50_000 - 5 - MARGIN..50_009 + MARGIN)]);
    }

    #[test]
    fn windows_reach_to_the_ends_of_their_lines() {
        let text = b"first line\nkey = value that goes on\nlast";
        let mut w = Windows::new(1);
        w.hit(0, 11..14, 1, text.len());
        assert_eq!(w.finish(text)[0].range, 0..36);
        let mut w = Windows::new(1);
        w.hit(0, 13..14, 1, text.len());
        assert_eq!(w.finish(text)[0].range, 11..36);
    }
}
