/** Splits bytes a server wrote into WebSocket text payloads; control frames are shown as their opcode, `0x9` for a ping. */
export function readFrames(bytes: Buffer): string[] {
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const opcode = (bytes[at] as number) & 0x0f;
    let length = (bytes[at + 1] as number) & 0x7f;
    at += 2;
    if (length === 126) {
      length = bytes.readUInt16BE(at);
      at += 2;
    } else if (length === 127) {
      length = Number(bytes.readBigUInt64BE(at));
      at += 8;
    }
    frames.push(opcode === 1 ? bytes.toString('utf8', at, at + length) : `0x${opcode.toString(16)}`);
    at += length;
  }
  return frames;
}
