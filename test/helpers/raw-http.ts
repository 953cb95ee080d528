import { once } from 'node:events';
import { connect } from 'node:net';

/** Sends bytes as they are and reads until the server closes; for requests no HTTP client would make. */
export async function rawRequest(port: number, ...chunks: (string | Buffer)[]): Promise<{ status: number; headers: string; body: string }> {
  const socket = connect(port, '127.0.0.1');
  // A server that answers early may reset what is still being sent.
  socket.on('error', () => undefined);
  let text = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  for (const chunk of chunks) socket.write(chunk);
  await once(socket, 'close');
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  return { status: Number(head.split(' ', 2)[1]), headers: head, body };
}
