//! The threads that compute.

use rayon::ThreadPoolBuilder;

/// Makes the calling thread one of the threads that compute for it.
///
/// A token takes some hundred short parallel pieces of work. Called from outside a pool, each would put the caller to
/// sleep and wake it again, which costs a sixth of the time of a token on two cores. The pool lives as long as the
/// process; a thread that has one keeps it, and where no pool can be had all goes on as before.
pub fn compute_on_this_thread() {
    if rayon::current_thread_index().is_some() {
        return;
    }
    let pool = ThreadPoolBuilder::new()
        .use_current_thread()
        .thread_name(|n| format!("compute-{n}"))
        .build();
    match pool {
        // Dropped, it would end its other threads.
        Ok(pool) => std::mem::forget(pool),
        Err(error) => tracing::debug!("no threads to compute on could be started: {error}"),
    }
}
