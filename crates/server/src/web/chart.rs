//! Charts drawn on the server, as SVG. Behind each is a table with the same numbers, so a chart is never the only way to them.

use maud::{Markup, html};

use super::parts::Tone;

/// One bar: what stands under it, and its parts from the bottom up.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) parts: Vec<(Tone, u64)>,
}

const WIDTH: u64 = 960;
const HEIGHT: u64 = 132;
const GROUND: u64 = 18;

/// Stacked bars, oldest first. `about` says in words what is shown.
pub(crate) fn bars(about: &str, all: &[Bar]) -> Markup {
    let highest = all.iter().map(total).max().unwrap_or(0).max(1);
    let step = WIDTH / u64::try_from(all.len()).unwrap_or(1).max(1);
    let room = HEIGHT - GROUND - 14;
    html! {
        svg.chart role="img" aria-label=(about) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
            line.axis x1="0" x2=(WIDTH) y1=(HEIGHT - GROUND) y2=(HEIGHT - GROUND) {}
            @for (n, bar) in (0_u64..).zip(all) {
                @let x = n * step;
                @for (tone, y, height) in stacked(bar, highest, room) {
                    rect.(tone.class()) x=(x + step / 8) width=(step * 3 / 4) y=(y) height=(height) rx="2" {}
                }
                @if total(bar) > 0 {
                    text.value x=(x + step / 2) y=(HEIGHT - GROUND - total(bar) * room / highest - 4) { (total(bar)) }
                }
                text.label x=(x + step / 2) y=(HEIGHT - 4) { (bar.label) }
            }
        }
    }
}

fn total(bar: &Bar) -> u64 {
    bar.parts.iter().map(|(_, n)| n).sum()
}

/// Where each part of a bar stands: from the top, and how high.
fn stacked(bar: &Bar, highest: u64, room: u64) -> Vec<(Tone, u64, u64)> {
    let mut below = 0;
    let mut out = Vec::new();
    for (tone, n) in bar.parts.iter().filter(|(_, n)| *n > 0) {
        let (from, to) = (below * room / highest, (below + n) * room / highest);
        out.push((*tone, HEIGHT - GROUND - to, (to - from).max(1)));
        below += n;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_on_each_other_and_the_highest_bar_fills_the_room() {
        let bar = Bar { label: String::new(), parts: vec![(Tone::Good, 3), (Tone::Wait, 0), (Tone::Bad, 1)] };
        let room = HEIGHT - GROUND - 14;
        let all = stacked(&bar, 4, room);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].1 + all[0].2, HEIGHT - GROUND);
        assert_eq!(all[1].1 + all[1].2, all[0].1);
        assert_eq!(all[1].1, HEIGHT - GROUND - room);
    }

    #[test]
    fn nothing_at_all_is_a_chart_too() {
        let page = bars("none", &[]).into_string();
        assert!(page.contains("role=\"img\""), "{page}");
    }
}
