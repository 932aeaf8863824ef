//! Charts, drawn here as SVG: no script, no style of their own, readable without colour. Each page that shows one also has
//! its figures as a table.
//!
//! What is drawn is told by shape (a line that is whole or broken, a mark that is round or square, a bar that is filled or
//! hatched) and named in words; colours come from the page's style, dark or light.

use std::fmt::Write as _;

use crate::domain::money::Currency;

/// In units of the picture; a page shows it as wide as it may be.
const WIDTH: i64 = 400;
const HEIGHT: i64 = 220;
const LEFT: i64 = 56;
const RIGHT: i64 = 10;
const TOP: i64 = 34;
const BOTTOM: i64 = 24;
/// How wide a letter or digit is at most.
const LETTER: usize = 7;

/// A line of a chart. Points that are not known yet are none.
pub struct Line {
    pub name: String,
    pub points: Vec<Option<i64>>,
}

/// A bar of a chart: what there was, what came or went, or what there is.
pub struct Bar {
    pub name: String,
    pub amount: i64,
    /// A sum that stands on the ground, and not a movement on top of the one before.
    pub stands: bool,
}

/// What every chart is called and says in words.
pub struct Words<'a> {
    /// Begins the ids of its parts: one of a page.
    pub id: &'a str,
    pub title: &'a str,
    pub description: &'a str,
}

/// Two lines over the same places: the first whole, with round marks; the second broken, with square ones. As many places are
/// named as fit side by side, the first among them.
pub fn lines(words: &Words, places: &[String], two: [&Line; 2], written: impl Fn(i64) -> String) -> String {
    let points = || two.iter().flat_map(|line| line.points.iter().flatten()).copied();
    let scale = Scale::over(points().min().unwrap_or(0), points().max().unwrap_or(0));
    let mut svg = begun(words);
    grid(&mut svg, &scale, &written);
    let step = |at: usize| LEFT + spread(at, places.len());
    let widest = places.iter().map(|place| place.chars().count()).max().unwrap_or(0).max(1) * LETTER;
    let fit = usize::try_from(WIDTH - LEFT - RIGHT).unwrap_or(0) / (widest + LETTER);
    let half = i64::try_from(widest / 2).unwrap_or(0);
    for (at, place) in places.iter().enumerate().step_by(places.len().div_ceil(fit.max(1)).max(1)) {
        let (x, y) = (step(at).min(WIDTH - half), HEIGHT - 6);
        let _ = write!(svg, r#"<text x="{x}" y="{y}" class="tick middle">{}</text>"#, escaped(place));
    }
    // The one before lies below the one that is told.
    for (number, line) in two.iter().enumerate().rev() {
        let class = if number == 0 { "now" } else { "before" };
        let points: Vec<Option<(i64, i64)>> =
            line.points.iter().enumerate().map(|(at, point)| Some((step(at), scale.at((*point)?)))).collect();
        // Nothing is drawn across a place of which nothing is known.
        for run in points.split(Option::is_none).filter(|run| run.len() > 1) {
            let path: Vec<String> = run.iter().flatten().map(|(x, y)| format!("{x},{y}")).collect();
            let _ = write!(svg, r#"<polyline class="line {class}" points="{}"/>"#, path.join(" "));
        }
        for (x, y) in points.into_iter().flatten() {
            mark(&mut svg, number == 0, x, y, class);
        }
        legend(&mut svg, number, class, &line.name);
    }
    svg + "</svg>"
}

/// An amount of an axis: whole units, thousands as `k`.
pub fn short(minor: i64, currency: Currency) -> String {
    let units = minor / 10_i64.pow(currency.exponent());
    match units {
        units if units >= 10_000 && units % 1_000 == 0 => format!("{}k", units / 1_000),
        units => units.to_string(),
    }
}

/// Bars side by side: sums stand on the ground, movements go up or down from where the one before ended.
pub fn bars(words: &Words, bars: &[Bar], written: impl Fn(i64) -> String) -> String {
    let mut level = 0;
    let mut drawn = Vec::with_capacity(bars.len());
    for bar in bars {
        let from = if bar.stands { 0 } else { level };
        level = from + bar.amount;
        drawn.push((from, level));
    }
    let ends = || drawn.iter().flat_map(|(from, to)| [*from, *to]);
    let scale = Scale::over(ends().min().unwrap_or(0), ends().max().unwrap_or(0));
    let mut svg = begun(words);
    let _ = write!(
        svg,
        r#"<defs><pattern id="{}-hatch" width="6" height="6" patternUnits="userSpaceOnUse"><path class="hatch" d="M0 6L6 0"/></pattern></defs>"#,
        escaped(words.id)
    );
    grid(&mut svg, &scale, &written);
    let count = i64::try_from(bars.len().max(1)).unwrap_or(1);
    let room = (WIDTH - LEFT - RIGHT) / count;
    for ((at, bar), (from, to)) in (0_i64..).zip(bars).zip(&drawn) {
        let (high, low) = (scale.at(*from.max(to)), scale.at(*from.min(to)));
        let (x, width) = (LEFT + at * room + room / 8, room * 3 / 4);
        let class = if bar.stands {
            "sum"
        } else if bar.amount < 0 {
            "less"
        } else {
            "more"
        };
        let shape = format!(r#"x="{x}" y="{high}" width="{width}" height="{}""#, (low - high).max(1));
        let _ = write!(svg, r#"<rect class="bar {class}" {shape}/>"#);
        if class == "less" {
            let _ = write!(svg, r#"<rect fill="url(#{}-hatch)" {shape}/>"#, escaped(words.id));
        }
        let middle = x + width / 2;
        let sign = if bar.stands || bar.amount <= 0 { "" } else { "+" };
        let value = format!("{sign}{}", written(bar.amount));
        let _ = write!(svg, r#"<text x="{middle}" y="{}" class="tick middle">{}</text>"#, high - 3, escaped(&value));
        let _ =
            write!(svg, r#"<text x="{middle}" y="{}" class="tick middle">{}</text>"#, HEIGHT - 6, escaped(&bar.name));
    }
    svg + "</svg>"
}

fn begun(words: &Words) -> String {
    let Words { id, title, description } = words;
    let (id, title, description) = (escaped(id), escaped(title), escaped(description));
    format!(
        r#"<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="{id}-title {id}-description"><title id="{id}-title">{title}</title><desc id="{id}-description">{description}</desc>"#
    )
}

/// Three lines across, each with what it is worth.
fn grid(svg: &mut String, scale: &Scale, written: &impl Fn(i64) -> String) {
    for worth in scale.steps() {
        let y = scale.at(worth);
        let _ = write!(svg, r#"<path class="grid" d="M{LEFT} {y}H{}"/>"#, WIDTH - RIGHT);
        let _ =
            write!(svg, r#"<text x="{}" y="{}" class="tick end">{}</text>"#, LEFT - 5, y + 4, escaped(&written(worth)));
    }
}

fn mark(svg: &mut String, round: bool, x: i64, y: i64, class: &str) {
    let _ = if round {
        write!(svg, r#"<circle class="mark {class}" cx="{x}" cy="{y}" r="3"/>"#)
    } else {
        write!(svg, r#"<rect class="mark {class}" x="{}" y="{}" width="5" height="5"/>"#, x - 2, y - 2)
    };
}

fn legend(svg: &mut String, number: usize, class: &str, name: &str) {
    let x = LEFT + if number == 0 { 0 } else { (WIDTH - LEFT) / 2 };
    let _ = write!(svg, r#"<path class="line {class}" d="M{x} 12H{}"/>"#, x + 26);
    mark(svg, number == 0, x + 13, 12, class);
    let _ = write!(svg, r#"<text x="{}" y="16" class="tick">{}</text>"#, x + 32, escaped(name));
}

fn spread(at: usize, places: usize) -> i64 {
    let (at, last) = (i64::try_from(at).unwrap_or(0), i64::try_from(places.saturating_sub(1)).unwrap_or(0));
    let inset = 10;
    inset + at * (WIDTH - LEFT - RIGHT - 2 * inset) / last.max(1)
}

/// Amounts as heights.
struct Scale {
    step: i64,
    low: i64,
    high: i64,
}

impl Scale {
    /// From at most 0 to at least 0, with whole steps of 1, 2 or 5 and zeros.
    fn over(lowest: i64, highest: i64) -> Self {
        let (lowest, highest) = (lowest.min(0), highest.max(0));
        let span = highest.saturating_sub(lowest).max(1);
        let mut step = 1_i64;
        // The fewest steps that are not more than four.
        for factor in [2, 5, 10].iter().cycle().scan(1_i64, |power, factor| {
            let next = power.checked_mul(*factor)?;
            if *factor == 10 {
                *power = next;
            }
            Some(next)
        }) {
            if span / step <= 3 {
                break;
            }
            step = factor;
        }
        let low = lowest.div_euclid(step) * step;
        let high = (highest + step - 1).div_euclid(step).max(i64::from(lowest == 0)) * step;
        Self { step, low, high }
    }

    fn steps(&self) -> impl Iterator<Item = i64> + use<> {
        let (step, high) = (self.step, self.high);
        std::iter::successors(Some(self.low), move |worth| worth.checked_add(step).filter(|next| *next <= high))
    }

    fn at(&self, amount: i64) -> i64 {
        let (span, room) = (i128::from(self.high - self.low).max(1), i128::from(HEIGHT - TOP - BOTTOM));
        let above = i128::from(amount - self.low) * room / span;
        HEIGHT - BOTTOM - i64::try_from(above).unwrap_or(0)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: Words = Words { id: "c", title: "Came <in>", description: "Two years" };

    #[test]
    fn steps_are_round_and_few_and_hold_everything() {
        for (lowest, highest) in [(0, 0), (0, 1), (0, 7), (0, 12_345), (-480, 20), (0, 999_999_999), (-5, -1)] {
            let scale = Scale::over(lowest, highest);
            let steps: Vec<i64> = scale.steps().collect();
            assert!(scale.low <= lowest && scale.high >= highest, "{lowest} to {highest}: {steps:?}");
            assert!((2..=6).contains(&steps.len()), "{lowest} to {highest}: {steps:?}");
            let digits = scale.step.to_string();
            assert!(["1", "2", "5"].contains(&digits.trim_end_matches('0')), "{digits}");
            assert_eq!((scale.at(scale.low), scale.at(scale.high)), (HEIGHT - BOTTOM, TOP));
        }
    }

    #[test]
    fn two_years_differ_in_shape_and_in_words_and_what_is_not_known_is_not_drawn() {
        let places: Vec<String> = (1..=3).map(|month| month.to_string()).collect();
        let now = Line { name: "2026".to_owned(), points: vec![Some(100), Some(300), None] };
        let before = Line { name: "2025".to_owned(), points: vec![Some(50), Some(60), Some(70)] };
        let svg = lines(&WORDS, &places, [&now, &before], |amount| amount.to_string());
        assert!(svg.contains(r#"aria-labelledby="c-title c-description""#) && svg.contains("Came &lt;in&gt;"));
        // Two points and the one of the legend; three and one.
        assert_eq!((svg.matches("<circle").count(), svg.matches("<rect").count()), (3, 4));
        assert!(svg.contains(">2026<") && svg.contains(">2025<") && !svg.contains("style="));
    }

    #[test]
    fn no_line_is_drawn_across_what_is_not_known() {
        let places: Vec<String> = (1..=6).map(|month| month.to_string()).collect();
        let line = |points: [Option<i64>; 6]| Line { name: "n".to_owned(), points: points.to_vec() };
        let whole = line([Some(1); 6]);
        let torn = line([Some(1), Some(2), None, Some(3), None, Some(4)]);
        let svg = lines(&WORDS, &places, [&whole, &torn], |amount| amount.to_string());
        let runs: Vec<usize> = svg.split("<polyline").skip(1).map(commas).collect();
        assert_eq!(runs, [2, 6], "two points hang together, one stands alone: {svg}");
        assert_eq!(svg.matches("<rect").count(), 4 + 1, "each is marked, and so is the legend");
    }

    /// Points of a line: each has one comma.
    fn commas(run: &str) -> usize {
        run.split("/>").next().unwrap_or_default().matches(',').count()
    }

    #[test]
    fn places_are_named_as_far_as_they_fit_and_what_is_below_zero_is_drawn() {
        let named = |places: &[String]| {
            let line = |worth| Line { name: "n".to_owned(), points: places.iter().map(|_| Some(worth)).collect() };
            let svg = lines(&WORDS, places, [&line(5), &line(-5)], |amount| amount.to_string());
            assert!(svg.contains(">-5<"), "{svg}");
            places.iter().filter(|place| svg.contains(&format!(">{place}</text>"))).count()
        };
        let months: Vec<String> = (101..=112).map(|month| format!("2026-{month}")).collect();
        assert_eq!(named(&months), 4, "one of three: two would touch");
        let short: Vec<String> = (61..=72).map(|month: i32| month.to_string()).collect();
        assert_eq!(named(&short), 12);
        assert_eq!(named(&months[..1]), 1);
    }

    #[test]
    fn movements_hang_together_and_what_went_is_hatched() {
        let bar = |name: &str, amount, stands| Bar { name: name.to_owned(), amount, stands };
        let movements = [bar("then", 100, true), bar("new", 40, false), bar("lost", -60, false), bar("now", 80, true)];
        let svg = bars(&WORDS, &movements, |amount| amount.to_string());
        assert_eq!(svg.matches("url(#c-hatch)").count(), 1);
        assert!(svg.contains(">+40<") && svg.contains(">-60<") && svg.contains(">80<"));
        let tops: Vec<&str> =
            svg.split("<rect class=\"bar ").skip(1).filter_map(|bar| bar.split("y=\"").nth(1)).collect();
        let tops: Vec<i64> = tops.iter().filter_map(|top| top.split('"').next()?.parse().ok()).collect();
        assert_eq!(tops[1], tops[2], "what was lost hangs from where what is new ended: {tops:?}");
    }
}
