//! Reading codes from pictures: PNG and JPEG, of bounded size.

use std::io::Cursor;

use png::{ColorType, Transformations};
use rqrr::PreparedImage;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Most points of a picture: those of a telephone's camera.
const POINTS_MAX: usize = 40_000_000;

/// Most points on a side.
const SIDE_MAX: usize = 16_384;

/// Longest text of a code that is handed on, in bytes: the longest that a code can hold is not much longer.
const TEXT_BYTES_MAX: usize = 4096;

/// A picture has no code that could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PictureError {
    /// It is of another kind.
    #[error("the picture is neither a PNG nor a JPEG")]
    Kind,
    /// It is larger than any that is read.
    #[error("the picture has more than {POINTS_MAX} points, or more than {SIDE_MAX} on a side")]
    TooLarge,
    /// It is damaged.
    #[error("the picture is damaged")]
    Damaged,
    /// There is no code in it.
    #[error("there is no QR code in the picture that could be read")]
    NoCode,
}

/// Points from black to white.
struct Grey {
    width: usize,
    points: Vec<u8>,
}

/// What the first code in the picture says that can be read.
pub(super) fn read(picture: &[u8]) -> Result<String, PictureError> {
    let Grey { width, points } = match picture {
        [0x89, b'P', b'N', b'G', ..] => png(picture)?,
        [0xff, 0xd8, ..] => jpeg(picture)?,
        _ => return Err(PictureError::Kind),
    };
    let height = points.len() / width.max(1);
    let mut image = PreparedImage::prepare_from_greyscale(width, height, |x, y| {
        points.get(y * width + x).copied().unwrap_or(u8::MAX)
    });
    drop(points);
    let texts = image.detect_grids();
    let mut texts = texts.iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text);
    texts.find(|text| text.len() <= TEXT_BYTES_MAX).ok_or(PictureError::NoCode)
}

/// The number of points, where they are not too many.
fn points(width: usize, height: usize) -> Result<usize, PictureError> {
    let sides = 1..=SIDE_MAX;
    let count = width.checked_mul(height).filter(|count| *count <= POINTS_MAX);
    match (sides.contains(&width) && sides.contains(&height), count) {
        (true, Some(count)) => Ok(count),
        _ => Err(PictureError::TooLarge),
    }
}

fn png(picture: &[u8]) -> Result<Grey, PictureError> {
    // Four bytes for each point at most, and rows of interlaced pictures beside them.
    let limits = png::Limits { bytes: POINTS_MAX / 4 };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(picture), limits);
    decoder.set_transformations(Transformations::normalize_to_color8());
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let info = decoder.read_header_info().map_err(|_| PictureError::Damaged)?;
    let (width, height) = (info.width as usize, info.height as usize);
    points(width, height)?;
    let mut reader = decoder.read_info().map_err(|_| PictureError::Damaged)?;
    let bytes = reader.output_buffer_size().ok_or(PictureError::TooLarge)?;
    if bytes > 4 * POINTS_MAX {
        return Err(PictureError::TooLarge);
    }
    let mut buffer = vec![0; bytes];
    let frame = reader.next_frame(&mut buffer).map_err(|_| PictureError::Damaged)?;
    buffer.truncate(frame.buffer_size());
    let points = match frame.color_type {
        ColorType::Grayscale => buffer,
        ColorType::GrayscaleAlpha => each::<2>(&buffer, |[grey, alpha]| on_white(grey, alpha)),
        ColorType::Rgb => each::<3>(&buffer, |[r, g, b]| grey(r, g, b)),
        ColorType::Rgba => each::<4>(&buffer, |[r, g, b, alpha]| on_white(grey(r, g, b), alpha)),
        ColorType::Indexed => return Err(PictureError::Damaged),
    };
    Ok(Grey { width, points })
}

fn jpeg(picture: &[u8]) -> Result<Grey, PictureError> {
    let options = DecoderOptions::default()
        .set_max_width(SIDE_MAX)
        .set_max_height(SIDE_MAX)
        .set_strict_mode(false)
        .jpeg_set_out_colorspace(ColorSpace::Luma);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(picture), options);
    decoder.decode_headers().map_err(|_| PictureError::Damaged)?;
    let info = decoder.info().ok_or(PictureError::Damaged)?;
    let count = points(usize::from(info.width), usize::from(info.height))?;
    let points = decoder.decode().map_err(|_| PictureError::Damaged)?;
    if points.len() != count {
        return Err(PictureError::Damaged);
    }
    Ok(Grey { width: usize::from(info.width), points })
}

/// One point out of each group of so many bytes.
fn each<const N: usize>(bytes: &[u8], point: impl Fn([u8; N]) -> u8) -> Vec<u8> {
    bytes.as_chunks::<N>().0.iter().map(|bytes| point(*bytes)).collect()
}

fn grey(red: u8, green: u8, blue: u8) -> u8 {
    let sum = 299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue);
    // At most 255.
    u8::try_from(sum / 1000).unwrap_or(u8::MAX)
}

fn on_white(grey: u8, alpha: u8) -> u8 {
    let (grey, alpha) = (u32::from(grey), u32::from(alpha));
    u8::try_from((grey * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "LARDER:HTTPKEY://10.0.0.1:6984/ED25519PUBLICKEY:RKEOHXLUBHYZL7KS3MWTZOS5OLFGOCN7DWKBEG7TOSEADNAPN5OA/#1/KIND:FRIEND/SECRET:BEEQSCIJBEEQSCIJBEEQSCIJBE/UNTIL:1795000600";

    /// The link's code as a picture of the given kind, so many points for each module.
    fn drawn(color: ColorType, scale: usize) -> Vec<u8> {
        let code = super::super::code(LINK).unwrap();
        let modules = code.width();
        let side = (modules + 8) * scale;
        let bytes = match color {
            ColorType::Rgba => 4,
            ColorType::Rgb => 3,
            _ => 1,
        };
        let mut points = vec![255; side * side * bytes];
        for (at, point) in points.chunks_mut(bytes).enumerate() {
            let (x, y) = (at % side / scale, at / side / scale);
            let inside = (4..modules + 4).contains(&x) && (4..modules + 4).contains(&y);
            if inside && code[(x - 4, y - 4)] == qrcode::Color::Dark {
                point[..bytes.min(3)].fill(0);
            }
        }
        encoded(u32::try_from(side).unwrap(), color, &points)
    }

    fn encoded(side: u32, color: ColorType, points: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(points).unwrap();
        file
    }

    #[test]
    fn what_is_drawn_is_read() {
        for color in [ColorType::Grayscale, ColorType::Rgb, ColorType::Rgba] {
            assert_eq!(read(&drawn(color, 4)).as_deref(), Ok(LINK), "{color:?}");
        }
        // The same as a photograph of it.
        let jpeg = include_bytes!("../../tests/pictures/link.jpg");
        assert_eq!(read(jpeg).as_deref(), Ok(LINK));
    }

    #[test]
    fn odd_pictures_are_refused() {
        assert_eq!(read(b""), Err(PictureError::Kind));
        assert_eq!(read(b"GIF89a"), Err(PictureError::Kind));
        assert_eq!(read(b"\x89PNG\r\n\x1a\n"), Err(PictureError::Damaged));
        assert_eq!(read(b"\xff\xd8\xff\xe0"), Err(PictureError::Damaged));
        let white = encoded(64, ColorType::Grayscale, &[255; 64 * 64]);
        assert_eq!(read(&white), Err(PictureError::NoCode));
        let whole = drawn(ColorType::Grayscale, 4);
        assert_eq!(read(&whole[..whole.len() / 2]), Err(PictureError::Damaged));
        // Small files that say to be large.
        let mut large = white.clone();
        large[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        let crc = crc32(&large[12..29]).to_be_bytes();
        large[29..33].copy_from_slice(&crc);
        assert_eq!(read(&large), Err(PictureError::TooLarge));
        let jpeg = include_bytes!("../../tests/pictures/link.jpg");
        for length in (0..jpeg.len()).step_by(97) {
            assert_ne!(read(&jpeg[..length]).as_deref(), Ok(""));
        }
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        !crc
    }
}
