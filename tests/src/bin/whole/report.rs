//! Figures of all rounds, and what they come to.

use std::collections::BTreeMap;

use tests::median;

use crate::couchdb::FIGURES;

/// Figures by name, one a round.
#[derive(Default)]
pub(crate) struct Report(BTreeMap<String, Vec<f64>>);

impl Report {
    /// Notes a figure of the present round.
    pub(crate) fn note(&mut self, name: &str, figure: f64) {
        println!("  {name:32} {figure:>14.1}");
        self.0.entry(name.to_owned()).or_default().push(figure);
    }

    /// Prints medians, and the medians of ratios within a round.
    pub(crate) fn print(&self) {
        println!("\nmedians");
        for (name, figures) in &self.0 {
            println!("  {name:32} {:>14.1}", median(&mut figures.clone()));
        }
        println!("\nratios, medians of the rounds");
        for figure in &FIGURES {
            let scale = self.ratio(figure.scales_with, |engine| engine / figure.engine_rate);
            let times = self.pairs(figure.name, figure.scales_with, |ours, engine| {
                ours / (figure.rate * engine / figure.engine_rate)
            });
            let unscaled = self.ratio(figure.name, |ours| ours / figure.rate);
            println!(
                "  {:32} {times:>6.1} times CouchDB (wanted {}); unscaled {unscaled:.1}, the engine \
                 is at {scale:.2} of that day",
                figure.name, figure.wanted
            );
        }
        let share = |ours: &str, whole: &str| self.pairs(ours, whole, |ours, whole| ours / whole);
        println!(
            "  bulk / engine, same rows         {:>6.2} (wanted 0.65)",
            share("bulk", "engine bulk")
        );
        println!(
            "  get 16 / constant 16             {:>6.2} (wanted 0.5)",
            share("get 16", "constant 16")
        );
        for what in ["get 16", "bulk"] {
            println!(
                "  {what:24} over TLS {:>6.2} (wanted 0.8)",
                share(&format!("{what} over TLS"), what)
            );
        }
        println!(
            "  mango build / engine index       {:>6.2}",
            share("mango build", "engine index")
        );
        println!(
            "  reduce a million rows, ms        {:>6.1} (wanted 20 at most)",
            self.ratio("reduce a million rows, ms", |ms| ms)
        );
        println!(
            "  start after kill - clean, ms     {:>6.1} (wanted 1000 at most)",
            self.pairs("start after kill, ms", "start, ms", |killed, clean| killed - clean)
        );
    }

    fn ratio(&self, name: &str, of: impl Fn(f64) -> f64) -> f64 {
        median(&mut self.figures(name).iter().map(|figure| of(*figure)).collect::<Vec<_>>())
    }

    fn pairs(&self, one: &str, other: &str, of: impl Fn(f64, f64) -> f64) -> f64 {
        let both = self.figures(one).iter().zip(self.figures(other));
        median(&mut both.map(|(one, other)| of(*one, *other)).collect::<Vec<_>>())
    }

    fn figures(&self, name: &str) -> &[f64] {
        self.0.get(name).map(Vec::as_slice).unwrap_or_default()
    }
}
