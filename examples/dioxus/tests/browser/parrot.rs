//! A worker for the tests: it says what it is told, and crashes when it is told to.

use std::future::pending;

use diplomatic::web::{App, Pushes, serve};

struct Parrot;

impl App for Parrot {
    async fn answer(&self, request: String) -> String {
        assert_ne!(request, "\"panic\"", "it was asked to panic");
        request
    }

    async fn follow(&self, _: Pushes) {
        pending().await
    }

    async fn close(&self) {}
}

fn main() {
    serve(|_| "crashing".to_owned(), async |_| Ok(Parrot));
}
