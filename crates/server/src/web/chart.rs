//! Charts drawn on the server, as SVG. Behind each is a table with the same numbers, so a chart is never the only way to them.

use maud::{Markup, html};

use super::parts::Tone;

/// One bar: what stands under it, and its parts from the bottom up.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) parts: Vec<(Tone, u64)>,
}

const WIDTH: u64 = 960;
const HEIGHT: u64 = 150;
const GROUND: u64 = 18;
/// Room for the numbers of the axis.
const LEFT: u64 = 34;
const ABOVE: u64 = 16;
const WIDEST: u64 = 34;

/// Stacked bars, oldest first, with an axis and what the colours mean. `about` says in words what is shown.
pub(crate) fn bars(about: &str, names: &[(Tone, &str)], all: &[Bar]) -> Markup {
    let top = round_up(all.iter().map(total).max().unwrap_or(0));
    let step = (WIDTH - LEFT) / u64::try_from(all.len()).unwrap_or(1).max(1);
    let wide = (step / 2).clamp(1, WIDEST);
    let room = HEIGHT - GROUND - ABOVE;
    let words: Vec<&str> = names.iter().map(|(_, name)| *name).collect();
    let ticks = if top > 1 { vec![0, top / 2, top] } else { vec![0, top] };
    html! {
        p.legend aria-hidden="true" {
            @for (tone, name) in names { span.(tone.class()) { span.swatch {} (tone.icon()) " " (name) } " " }
        }
        div.scroll.plot role="region" aria-label=(about) tabindex="0" {
            svg.chart role="img" aria-label={ (about) ": " (words.join(", ")) } viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } {
                @for n in &ticks {
                    @let y = HEIGHT - GROUND - n * room / top;
                    line.axis x1=(LEFT) x2=(WIDTH) y1=(y) y2=(y) {}
                    text.tick x=(LEFT - 8) y=(y + 4) { (n) }
                }
                @for (n, bar) in (0_u64..).zip(all) {
                    @let x = LEFT + n * step + step / 2;
                    @for (tone, y, height) in stacked(bar, top, room) {
                        rect.(tone.class()) x=(x - wide / 2) width=(wide) y=(y) height=(height) {}
                    }
                    @if total(bar) > 0 {
                        text.value x=(x) y=(HEIGHT - GROUND - total(bar) * room / top - 4) { (total(bar)) }
                    }
                    text.label x=(x) y=(HEIGHT - 4) { (bar.label) }
                }
            }
        }
    }
}

/// The end of the axis: at least the highest bar, and a number of which half is one too.
fn round_up(highest: u64) -> u64 {
    let mut unit = 1;
    while highest > unit * 10 {
        unit *= 10;
    }
    [1, 2, 4, 6, 8, 10].into_iter().map(|n| n * unit).find(|n| *n >= highest).unwrap_or(highest).max(1)
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
        let room = HEIGHT - GROUND - ABOVE;
        let all = stacked(&bar, 4, room);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].1 + all[0].2, HEIGHT - GROUND);
        assert_eq!(all[1].1 + all[1].2, all[0].1);
        assert_eq!(all[1].1, HEIGHT - GROUND - room);
    }

    #[test]
    fn the_axis_ends_at_a_round_number_that_is_not_lower_than_a_bar() {
        let ends = [0, 1, 2, 3, 5, 10, 11, 39, 99, 101].map(round_up);
        assert_eq!(ends, [1, 1, 2, 4, 6, 10, 20, 40, 100, 200]);
    }

    #[test]
    fn nothing_at_all_is_a_chart_too() {
        let page = bars("none", &[], &[]).into_string();
        assert!(page.contains("role=\"img\""), "{page}");
    }
}
