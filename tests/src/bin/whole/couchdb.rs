//! What Apache CouchDB 3.5.0 did alone on two cores of this kind, and how fast the engine was then.

/// One of CouchDB's figures, and the engine's that tells how the machine compares today.
pub(crate) struct Figure {
    /// What is compared, as [`crate::report::Report`] knows it.
    pub(crate) name: &'static str,
    /// CouchDB's rate.
    pub(crate) rate: f64,
    /// The engine's figure that it scales with, as the report knows it.
    pub(crate) scales_with: &'static str,
    /// The engine's rate on that day.
    pub(crate) engine_rate: f64,
    /// How many times CouchDB's rate a hub has to reach.
    pub(crate) wanted: f64,
}

/// Documents of 0.94 KB, 100,000 of them, two shards; single requests by `wrk`. The engine's rates were not
/// taken beside views and Mango: those of the same day stand in for them.
pub(crate) const FIGURES: [Figure; 14] = [
    figure("put 1", 413.0, "engine single", 3_500.0, 5.0),
    figure("put 16", 1_333.0, "engine load", 45_000.0, 8.0),
    figure("bulk", 14_700.0, "engine load", 45_000.0, 1.0),
    figure("get 16", 2_175.0, "engine get", 110_000.0, 12.0),
    figure("all_docs", 111_000.0, "engine scan", 6_000_000.0, 8.0),
    figure("all_docs with documents", 16_400.0, "engine scan", 6_000_000.0, 10.0),
    figure("changes", 50_000.0, "engine scan", 6_000_000.0, 15.0),
    figure("replication", 3_840.0, "engine load", 45_000.0, 5.0),
    figure("view build", 5_600.0, "engine load", 45_000.0, 15.0),
    figure("view key 16", 1_114.0, "engine get", 110_000.0, 10.0),
    figure("view rows", 135_000.0, "engine scan", 6_000_000.0, 8.0),
    figure("mango build", 16_600.0, "engine load", 45_000.0, 6.0),
    figure("find 16", 198.0, "engine get", 110_000.0, 30.0),
    figure("find, no index", 28_000.0, "engine scan", 6_000_000.0, 8.0),
];

const fn figure(
    name: &'static str,
    rate: f64,
    scales_with: &'static str,
    engine_rate: f64,
    wanted: f64,
) -> Figure {
    Figure { name, rate, scales_with, engine_rate, wanted }
}
