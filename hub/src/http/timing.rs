//! How long a request's body took to come in: CouchDB's `X-CouchDB-Body-Time`.

use std::cell::Cell;
use std::time::Duration;

tokio::task_local! {
    static BODY: Cell<Duration>;
}

/// Runs what answers a request, and tells how long it waited for the body where it stood. A body
/// that another task reads is not waited for here.
pub(crate) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    BODY.scope(Cell::new(Duration::ZERO), async {
        let outcome = work.await;
        (outcome, BODY.with(Cell::get))
    })
    .await
}

/// A piece of the body was waited for.
pub(crate) fn waited(took: Duration) {
    // Outside of a request nobody asks.
    let _nobody = BODY.try_with(|body| body.set(body.get() + took));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_request_has_its_own() {
        waited(Duration::from_secs(9));
        let one = timed(async {
            waited(Duration::from_secs(1));
            tokio::task::yield_now().await;
            waited(Duration::from_secs(2));
            "one"
        });
        let other = timed(async { "other" });
        let (one, other) = tokio::join!(one, other);
        assert_eq!(one, ("one", Duration::from_secs(3)));
        assert_eq!(other, ("other", Duration::ZERO));
    }
}
