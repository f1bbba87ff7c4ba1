// QR codes from the camera or a picture. The hub reads them: the pages send it what they see.

import { answer } from './api.js';

const EVERY_MS = 350;
const WIDTH_MAX = 960;

/** The text of a QR code in a picture. */
export async function read(picture, signal) {
  const response = await answer('POST', '/_hub/qr', picture, { signal, headers: { 'Content-Type': picture.type } });
  return (await response.json()).text;
}

/** A picture that somebody chose, as one that the hub reads. */
export async function readFile(file) {
  const bitmap = await createImageBitmap(file);
  const blob = await frame(bitmap, bitmap.width, bitmap.height, 'image/png');
  return read(blob);
}

/** Shows the camera in `video` until a QR code is seen; its text. */
export async function look(video, scope) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error('This browser gives pages no camera. Paste the link, or choose a picture of the code.');
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: { facingMode: 'environment', width: { ideal: 1280 } } });
  } catch {
    throw new Error('The camera cannot be used. Allow it for this page, or paste the link.');
  }
  const stop = () => stream.getTracks().forEach((track) => track.stop());
  scope.onEnd(stop);
  try {
    video.srcObject = stream;
    await video.play();
    while (!scope.ended && !video.hidden) {
      const blob = await frame(video, video.videoWidth, video.videoHeight, 'image/jpeg');
      try {
        return await read(blob, scope.signal);
      } catch (error) {
        // Nothing was seen; everything else is the end of it.
        if (error.status !== 400) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    return undefined;
  } finally {
    stop();
    video.srcObject = null;
  }
}

function frame(source, width, height, type) {
  const scale = Math.min(1, WIDTH_MAX / Math.max(width, height, 1));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('This picture cannot be read.'))), type, 0.85);
  });
}
