/** Bytes on the WebSocket wire (RFC 6455, section 5.2): an unfragmented, unmasked server frame. */

function framed(opcode: number, payload: Buffer): Buffer {
  const length = payload.length;
  const headerLength = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(headerLength + length);
  frame[0] = 0x80 | opcode;
  if (headerLength === 2) {
    frame[1] = length;
  } else if (headerLength === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(length, 6);
  }
  payload.copy(frame, headerLength);
  return frame;
}

/** A text frame around payload bytes that are already JSON; made once and shared by every socket it goes to. */
export function textFrame(payload: Buffer): Buffer {
  return framed(0x1, payload);
}

export function jsonFrame(text: string): Buffer {
  return framed(0x1, Buffer.from(text));
}

export const PING_FRAME = framed(0x9, Buffer.alloc(0));
