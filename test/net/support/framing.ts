/** Frames in a stream, each with its length in front: 32 bits, big-endian, as on QEMU's socket networks. */

const LARGEST = 65_549;

/** @param frame is given each frame, which is its own from then on */
export function frameReader(frame: (bytes: Uint8Array) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    const all = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes;
    let at = 0;
    while (all.length - at >= 4) {
      const length = all.readUInt32BE(at);
      if (length > LARGEST) throw new Error(`a frame of ${length} bytes`);
      if (all.length - at - 4 < length) break;
      // In an array of its own, as of a network card.
      const copy = new Uint8Array(length);
      copy.set(all.subarray(at + 4, at + 4 + length));
      frame(copy);
      at += 4 + length;
    }
    rest = at < all.length ? Buffer.from(all.subarray(at)) : Buffer.alloc(0);
  };
}

export function framed(frame: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(4 + frame.length);
  bytes.writeUInt32BE(frame.length);
  bytes.set(frame, 4);
  return bytes;
}

/** Gathers frames of one turn of the event loop into one write. */
export function frameWriter(write: (bytes: Buffer) => void): (frame: Uint8Array) => void {
  let waiting: Buffer[] = [];
  return (frame) => {
    if (waiting.push(framed(frame)) > 1) return;
    setImmediate(() => {
      const all = waiting;
      waiting = [];
      write(all.length === 1 ? all[0]! : Buffer.concat(all));
    });
  };
}
