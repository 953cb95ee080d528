/** The container's health check: whichever service runs here answers on its admin port. Exits 0 if one does. */
const ports = [process.env['GATEWAY_ADMIN_PORT'] || '9080', process.env['MESSAGING_ADMIN_PORT'] || '9081'];

const answers = await Promise.all(
  ports.map(async (port) => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/healthz`, { signal: AbortSignal.timeout(2000) })).ok;
    } catch {
      return false;
    }
  }),
);
process.exit(answers.includes(true) ? 0 : 1);
