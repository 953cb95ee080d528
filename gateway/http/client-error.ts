import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ChatError, type ErrorCode } from '../../shared/errors.ts';

const CODES: Record<string, ErrorCode> = {
  HPE_HEADER_OVERFLOW: 'CHAT_ERR_HEADERS_TOO_LARGE',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'CHAT_ERR_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'CHAT_ERR_REQUEST_TIMEOUT',
};

/** Answers, with the same envelope as everything else, what is no HTTP request at all: bad syntax, headers too large, too slow. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed) return void socket.destroy();
  if (!socket.writable) return void socket.destroy(error);
  const failure = new ChatError(
    CODES[error.code ?? ''] ?? 'CHAT_ERR_BAD_REQUEST',
    CODES[error.code ?? ''] ? undefined : 'This is not a valid HTTP request',
  );
  const body = JSON.stringify({ error: failure.toBody() });
  socket.end(
    `HTTP/1.1 ${failure.statusCode} ${STATUS_CODES[failure.statusCode]}\r\nContent-Type: application/json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    () => socket.destroySoon(),
  );
}
