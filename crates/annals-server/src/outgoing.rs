//! Requests that the server itself makes: to witnesses, to an identity provider.

use std::time::Duration;

use reqwest::{Client, redirect};

/// A client that waits so long for an answer, and goes where it is sent and nowhere else: what it carries is for whoever was named.
pub(crate) fn client(answer_max: Duration) -> Client {
    // reqwest asks for a provider to be in place; a second call finds the first one's.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::builder()
        .timeout(answer_max)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("annals/", env!("CARGO_PKG_VERSION")))
        .build()
        .expect("a client without certificates of its own can be made")
}
