//! QR codes: links drawn for a screen or a terminal, and read from pictures.

mod picture;

use http::StatusCode;
use qrcode::render::{svg, unicode};
use qrcode::types::QrError;
use qrcode::{EcLevel, QrCode};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::http::{Call, HttpError, Reply, blocking, reply, request};

/// Longest picture that is read, in bytes.
const PICTURE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Reading a picture takes some hundred megabytes for a moment: one at a time.
static READING: Semaphore = Semaphore::const_new(1);

/// The code of a link: in upper case, which takes less room, and with as much redundancy as a screen needs.
fn code(link: &str) -> Result<QrCode, QrError> {
    QrCode::with_error_correction_level(link.to_ascii_uppercase(), EcLevel::M)
}

/// The code as a picture that keeps its sharpness.
pub(crate) fn svg(link: &str) -> Result<String, QrError> {
    let code = code(link)?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(256, 256).quiet_zone(true).build())
}

/// The code in half blocks, dark on light whatever the terminal's colours are said to be.
pub(crate) fn text(link: &str) -> Result<String, QrError> {
    let code = code(link)?;
    let mut drawn = code.render::<unicode::Dense1x2>();
    // Terminals are dark more often than not: what is to be light is drawn.
    drawn.dark_color(unicode::Dense1x2::Light).light_color(unicode::Dense1x2::Dark);
    Ok(drawn.quiet_zone(true).build())
}

/// `POST /_hub/qr`: what the first code in a picture says.
pub(crate) async fn serve(call: Call) -> Result<Reply, HttpError> {
    let Call { headers, body, .. } = call;
    let picture = request::read(&headers, body, PICTURE_BYTES_MAX).await?;
    let _one = READING.acquire().await;
    let text = blocking(move || {
        picture::read(&picture).map_err(|error| HttpError::BadRequest(error.to_string()))
    });
    Ok(reply::json(StatusCode::OK, &json!({"text": text.await?})))
}
