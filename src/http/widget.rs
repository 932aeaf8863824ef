//! The widget: one script with its style inside, under a stable address and under one that names its content.

use std::io::Write as _;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256, Sha384};

use super::error::ApiError;
use crate::id::hex;

/// Where the widget's style and its second part go in its script.
const STYLE_HERE: &str = "\"donate.css\"";
const LATER_HERE: &str = "\"later.js\";";

/// The widget as it is served.
pub struct Widget {
    pub script: String,
    /// The script compressed, once for everybody: it is asked for with each article somebody opens.
    packed: Vec<u8>,
    /// Names the content: the first 16 digits of its SHA-256.
    pub hash: String,
    /// As `integrity="…"` takes it.
    pub integrity: String,
}

/// The widget of this program.
pub static WIDGET: LazyLock<Widget> = LazyLock::new(|| {
    let style = serde_json::to_string(include_str!("../../widget/donate.css")).unwrap_or_default();
    let script = include_str!("../../widget/donate.js").replacen(STYLE_HERE, &style, 1).replacen(
        LATER_HERE,
        include_str!("../../widget/later.js"),
        1,
    );
    Widget {
        hash: hex(&Sha256::digest(&script))[..16].to_owned(),
        integrity: format!("sha384-{}", STANDARD.encode(Sha384::digest(&script))),
        packed: pack(&script).unwrap_or_default(),
        script,
    }
});

fn pack(script: &str) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(script.as_bytes())?;
    encoder.finish()
}

impl Widget {
    /// The path that always has the newest.
    pub const STABLE: &'static str = "/w/v1/donate.js";

    /// The path that only ever has this one.
    pub fn path(&self) -> String {
        format!("/w/v1/donate.{}.js", self.hash)
    }
}

pub fn routes() -> Router {
    Router::new().route("/w/v1/{file}", get(serve))
}

async fn serve(Path(file): Path<String>, headers: HeaderMap) -> Response {
    let widget = &*WIDGET;
    let kept = if file == "donate.js" {
        "public, max-age=3600"
    } else if file == format!("donate.{}.js", widget.hash) {
        "public, max-age=31536000, immutable"
    } else {
        return ApiError::of_status(StatusCode::NOT_FOUND).into_response();
    };
    // Weak: the same script travels compressed or not.
    let tag = format!("W/\"{}\"", widget.hash);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let fresh = known.flat_map(|value| value.split(',')).any(|one| {
        let one = one.trim();
        one == "*" || one.trim_start_matches("W/").trim_matches('"') == widget.hash
    });
    let about = [
        (header::ETAG, tag.as_str()),
        (header::CACHE_CONTROL, kept),
        // Whoever checks its integrity asks across origins (source: W3C, Subresource Integrity).
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    let shared = [("cross-origin-resource-policy", "cross-origin")];
    if fresh {
        return (StatusCode::NOT_MODIFIED, about, shared).into_response();
    }
    let kind = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::VARY, "accept-encoding")];
    let mut codings = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    // Who weighs codings against each other (`gzip;q=0`) is left to the layer that does so for everything.
    let packed =
        codings.any(|value| value.split(',').any(|coding| coding.trim() == "gzip")) && !widget.packed.is_empty();
    if packed {
        return (about, shared, kind, [(header::CONTENT_ENCODING, "gzip")], widget.packed.as_slice()).into_response();
    }
    (about, shared, kind, widget.script.as_str()).into_response()
}
